import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { MAX_BLOB_BYTES } from '../oci/manifest.ts'

/**
 * A piece is passed on when it is whole, so on slow links its size is what a swarm loses at every hop: 8 hosts at 24 Mb/s,
 * layers of 16 MiB, took 1.104 of the bound with 256 KiB and 1.075 with 128, for the same CPU.
 */
export const MIN_PIECE_BYTES = 128 * 1024
/** Larger ones would save little and cost much: every host holds several in memory at once. */
const MOST_USUAL_PIECE_BYTES = 2 * 1024 * 1024
/** Beyond this size the hashes of a blob's pieces, 4 MiB here, would not fit into a frame (`hashesBytes`). */
const HUGE_BLOB_BYTES = 256 * 1024 ** 3
/** Of huge blobs. */
export const MAX_PIECE_BYTES = 2 * MOST_USUAL_PIECE_BYTES
/** Up to this many pieces a blob keeps the smaller size: enough that the last copy starts early (limits: 1 + 4 log2 N / M). */
const TARGET_PIECES = 512

/** The most that a blob has: this many bits and hashes go over the wire in one frame. */
export const MAX_PIECES = MAX_BLOB_BYTES / MAX_PIECE_BYTES

/** Half-open `[start, end)`, in bytes. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * The piece size of a blob of `sizeBytes`: a power of two between 128 KiB and 2 MiB, or 4 MiB above 256 GiB; a function of the size
 * alone, so that every node cuts a blob alike. Part of the wire protocol: changing it needs a new protocol version.
 */
export function pieceSizeFor(sizeBytes: number): number {
  let size = MIN_PIECE_BYTES
  while (size < MOST_USUAL_PIECE_BYTES && sizeBytes > size * TARGET_PIECES) size *= 2
  return sizeBytes > HUGE_BLOB_BYTES ? MAX_PIECE_BYTES : size
}

/** How one blob is cut: immutable geometry. */
export class PieceLayout {
  readonly digest: Digest
  readonly size: number
  readonly pieceSize: number
  readonly count: number

  /** Throws `UNAVAILABLE` for a size that no blob can have, whoever announced it: it would have too many pieces. */
  constructor(digest: Digest, size: number) {
    if (!Number.isSafeInteger(size) || size < 0 || size > MAX_BLOB_BYTES) {
      throw new ShoalError('UNAVAILABLE', `${digest} cannot have ${size} bytes: at most ${MAX_BLOB_BYTES} can be moved`)
    }
    this.digest = digest
    this.size = size
    this.pieceSize = pieceSizeFor(size)
    this.count = Math.ceil(size / this.pieceSize)
  }

  /** Where piece `piece` lies in the blob. */
  range(piece: number): ByteRange {
    const start = piece * this.pieceSize
    return { start, end: Math.min(start + this.pieceSize, this.size) }
  }

  /** The bytes of piece `piece`: the piece size, but for the last. */
  length(piece: number): number {
    return Math.min(this.pieceSize, this.size - piece * this.pieceSize)
  }

  /** The piece that holds byte `offset`. */
  pieceAt(offset: number): number {
    return Math.floor(offset / this.pieceSize)
  }
}

import { ShoalError } from '../base/errors.ts'
import type { PooledFile } from '../base/file-pool.ts'
import type { Digest } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import { CheckedFile, damagedError } from './checked-file.ts'
import { InFlight } from './in-flight.ts'
import type { StoredBlob } from './interface.ts'
import type { RecentPieces } from './recent-pieces.ts'

/** What an open blob asks of the store that opened it. */
export interface BlobKeeper {
  /** A piece is not what it was. Resolves when the blob has been dropped. */
  damaged(piece: number): Promise<void>
  /** Runs once, after the file is closed. */
  closed(): void
}

/** An open complete blob. Its descriptor keeps the bytes readable whatever happens to the name. */
export class DiskStoredBlob implements StoredBlob {
  readonly layout: PieceLayout
  readonly #file: PooledFile
  readonly #checked: CheckedFile
  readonly #keeper: BlobKeeper
  readonly #reads: InFlight
  #disposal: Promise<void> | undefined

  constructor(
    layout: PieceLayout,
    content: { readonly file: PooledFile; readonly proofs: PieceProofs; readonly recent: RecentPieces },
    keeper: BlobKeeper,
  ) {
    const { file, proofs, recent } = content
    this.layout = layout
    this.#file = file
    this.#checked = new CheckedFile({ layout, file, proofs, recent })
    this.#keeper = keeper
    this.#reads = new InFlight(`blob ${layout.digest}`)
  }

  get digest(): Digest {
    return this.layout.digest
  }

  get size(): number {
    return this.layout.size
  }

  readInto(target: Uint8Array, offset: number): Promise<void> {
    return this.#reads.run(async () => {
      requireWithin(this.size, offset, target.length)
      const damaged = await this.#checked.readInto(target, offset)
      if (damaged === undefined) return
      await this.#keeper.damaged(damaged)
      throw damagedError(this.layout, damaged)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose()
    return this.#disposal
  }

  async #dispose(): Promise<void> {
    await this.#reads.close()
    await this.#file.close().finally(() => this.#keeper.closed())
  }
}

/** Throws `STORE_FAILED` unless `length` bytes from `offset` lie within `size`. */
export function requireWithin(size: number, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset + length <= size) return
  throw new ShoalError('STORE_FAILED', `bytes ${offset} to ${offset + length} lie outside a blob of ${size} bytes`)
}

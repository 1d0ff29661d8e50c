import { ShoalError } from '../base/errors.ts'
import { PIECE_TLS } from './wire-limits.ts'

const HEAD_BYTES = 4
/** A head with this bit is a credit of what the others say; without, it is the length of a chunk that follows. */
const CREDIT_BIT = 0x8000_0000

/** The reader takes this many bytes more. */
export function creditRecord(bytes: number): Buffer {
  return u32(CREDIT_BIT + bytes)
}

/** What stands before a chunk of the control stream. */
export function chunkHead(length: number): Buffer {
  return u32(length)
}

function u32(value: number): Buffer {
  const encoded = Buffer.allocUnsafe(HEAD_BYTES)
  encoded.writeUInt32BE(value)
  return encoded
}

/** Called synchronously, in order. */
interface UplinkReceiver {
  credit(bytes: number): void
  /** A part of the control stream, however it was cut. */
  control(bytes: Uint8Array): void
}

/** Takes apart what the reader of a TLS piece connection sends. Holds no bytes but those of a head. */
export class UplinkDecoder {
  readonly #receiver: UplinkReceiver
  readonly #head = Buffer.alloc(HEAD_BYTES)
  #headFilled = 0
  /** Of the chunk that is arriving. */
  #left = 0

  constructor(receiver: UplinkReceiver) {
    this.#receiver = receiver
  }

  /** Throws `PEER_PROTOCOL`. */
  push(bytes: Uint8Array): void {
    let offset = 0
    while (offset < bytes.length) {
      if (this.#left > 0) {
        const end = Math.min(offset + this.#left, bytes.length)
        this.#left -= end - offset
        this.#receiver.control(bytes.subarray(offset, end))
        offset = end
        continue
      }
      this.#head[this.#headFilled++] = bytes[offset++]!
      if (this.#headFilled === HEAD_BYTES) this.#begin()
    }
  }

  #begin(): void {
    this.#headFilled = 0
    const value = this.#head.readUInt32BE()
    if (value >= CREDIT_BIT) {
      this.#receiver.credit(value - CREDIT_BIT)
      return
    }
    if (value === 0 || value > PIECE_TLS.maxChunkBytes) {
      throw new ShoalError('PEER_PROTOCOL', 'a peer sent a chunk of a length that is not allowed', {
        details: { length: value },
      })
    }
    this.#left = value
  }
}

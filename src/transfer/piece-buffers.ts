/** Buffers of one piece each, reused from socket to disk: allocating and zeroing one for each piece would cost more than hashing it. */
export class PieceBuffers {
  readonly #free = new Map<number, Uint8Array<ArrayBuffer>[]>()
  readonly #maxIdleBytes: number
  #idleBytes = 0

  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes
  }

  /** A buffer of exactly `length` bytes over a `pieceSize` allocation; its content is arbitrary. */
  take(pieceSize: number, length: number): Uint8Array<ArrayBuffer> {
    const whole = this.#free.get(pieceSize)?.pop()
    if (whole !== undefined) this.#idleBytes -= pieceSize
    const buffer = whole ?? new Uint8Array(Buffer.allocUnsafeSlow(pieceSize).buffer)
    return length === pieceSize ? buffer : buffer.subarray(0, length)
  }

  /** Gives a buffer back. Nobody may touch it afterwards. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    const pieceSize = buffer.buffer.byteLength
    if (this.#idleBytes + pieceSize > this.#maxIdleBytes) return
    const list = this.#free.get(pieceSize) ?? []
    list.push(new Uint8Array(buffer.buffer))
    this.#free.set(pieceSize, list)
    this.#idleBytes += pieceSize
  }
}

import type { TLSSocket } from 'node:tls'
import type { ByteOutlet } from './byte-channel.ts'
import { chunkHead, creditRecord } from './uplink-records.ts'
import { PIECE_TLS } from './wire-limits.ts'

/** What a write counts, beside its bytes, against what one key may encrypt. */
const WRITE_OVERHEAD_BYTES = 64

/**
 * What the reader of a TLS piece connection says: how many bytes more it takes, and its control stream, between the two.
 * What comes up in one turn of the event loop leaves as one write, and a large frame in parts, with credit in between.
 */
export class TlsUplink implements ByteOutlet {
  readonly #socket: TLSSocket
  /** The key has been used enough: nothing more may be sent. */
  readonly #spent: () => void
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #creditBytes = 0
  #sentBytes = 0
  #writing = false
  #due = false
  #waiting: ((open: boolean) => void)[] = []
  #closed = false

  constructor(socket: TLSSocket, spent: () => void) {
    this.#socket = socket
    this.#spent = spent
  }

  get pendingBytes(): number {
    return this.#queuedBytes
  }

  /** First of all: which link this is, and how much may be under way. */
  greet(token: Uint8Array, windowBytes: number): void {
    this.#socket.write(Buffer.concat([token, creditRecord(windowBytes)]))
  }

  /** This many bytes have been taken. */
  credit(bytes: number): void {
    this.#creditBytes += bytes
    this.#schedule()
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed) return false
    if (bytes.length > 0) this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    this.#schedule()
    return this.#queuedBytes <= PIECE_TLS.maxChunkBytes
  }

  drained(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    if (this.#queuedBytes === 0 && !this.#writing) return Promise.resolve(true)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** What waits leaves with the connection, as far as the transport takes it at once. */
  close(): void {
    if (this.#closed) return
    this.#flush()
    this.#closed = true
    this.#queue = []
    this.#queuedBytes = 0
    this.#settle(false)
  }

  #settle(open: boolean): void {
    for (const resolve of this.#waiting.splice(0)) resolve(open)
  }

  #schedule(): void {
    if (this.#due) return
    this.#due = true
    setImmediate(() => this.#flush())
  }

  /** One write at a time: what the transport has not taken yet can neither be joined nor overtaken. */
  #flush(): void {
    this.#due = false
    if (this.#closed || this.#writing) return
    const parts: Uint8Array[] = []
    if (this.#creditBytes > 0) parts.push(creditRecord(this.#creditBytes))
    this.#creditBytes = 0
    const chunkBytes = Math.min(this.#queuedBytes, PIECE_TLS.maxChunkBytes)
    if (chunkBytes > 0) parts.push(chunkHead(chunkBytes), ...this.#take(chunkBytes))
    if (parts.length === 0) return
    const bytes = Buffer.concat(parts)
    this.#sentBytes += bytes.length + WRITE_OVERHEAD_BYTES
    this.#writing = true
    this.#socket.write(bytes, (error) => {
      this.#writing = false
      if (error != null) return
      if (this.#sentBytes > PIECE_TLS.maxBytes) this.#spent()
      this.#flush()
      if (this.#queuedBytes === 0 && !this.#writing) this.#settle(true)
    })
  }

  #take(bytes: number): Uint8Array[] {
    const taken: Uint8Array[] = []
    let left = bytes
    let whole = 0
    for (const part of this.#queue) {
      if (part.length > left) break
      taken.push(part)
      left -= part.length
      whole++
    }
    this.#queue.splice(0, whole)
    const next = this.#queue[0]
    if (left > 0 && next !== undefined) {
      taken.push(next.subarray(0, left))
      this.#queue[0] = next.subarray(left)
    }
    this.#queuedBytes -= bytes
    return taken
  }
}

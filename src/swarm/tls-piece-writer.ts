import type { TLSSocket } from 'node:tls'
import type { ByteChannel, ByteReceiver } from './byte-channel.ts'
import { PIECE_TLS } from './wire-limits.ts'

/** Few, large writes; what is written after it waits here, in reach of nobody but us. */
const SLICE_BYTES = 256 * 1024
const CREDIT_BYTES = 4
/** A reader that lets us wait this long in the middle of a piece, on a link that is alive, has lost this connection. */
const STALLED_MS = 15_000

/**
 * The sending half of a TLS piece connection. The reader says how many bytes it takes, so that what is on its way is
 * bounded by the reader and not by what the kernels would buffer: a piece counts as sent when it is about to arrive.
 */
export class TlsPieceWriter implements ByteChannel {
  readonly sliceBytes = SLICE_BYTES
  readonly #socket: TLSSocket
  #receiver: ByteReceiver | undefined
  #queue: Uint8Array[] = []
  #writing = false
  #creditBytes = 0
  #sentBytes = 0
  readonly #grant = Buffer.alloc(CREDIT_BYTES)
  #grantFilled = 0
  #waiting: ((open: boolean) => void)[] = []
  #closed = false

  /** `socket`: proven to be the peer's, its token read. */
  constructor(socket: TLSSocket) {
    this.#socket = socket
  }

  get pendingBytes(): number {
    return this.#queue.reduce((sum, bytes) => sum + bytes.length, 0)
  }

  open(receiver: ByteReceiver): void {
    const socket = this.#socket
    this.#receiver = receiver
    socket.on('data', (chunk: Buffer) => this.#granted(chunk))
    socket.on('close', () => this.#end())
    socket.setTimeout(STALLED_MS, () => {
      if (this.#queue.length > 0 || this.#writing) this.#end()
    })
    if (socket.destroyed) {
      this.#end()
      return
    }
    socket.write(Buffer.of(PIECE_TLS.accepted))
    socket.resume()
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed) return false
    if (bytes.length > 0) this.#queue.push(bytes)
    this.#pump()
    return !this.#busy
  }

  drained(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    if (!this.#busy) return Promise.resolve(true)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  close(): void {
    this.#receiver = undefined
    this.#end()
  }

  get #busy(): boolean {
    return this.#writing || this.#queue.length > 0
  }

  /** One write at a time: TLS encrypts straight from our buffer, and is done with it when it calls back. */
  #pump(): void {
    const first = this.#queue[0]
    if (first === undefined || this.#writing || this.#closed || this.#creditBytes === 0) return
    const bytes = first.length > this.#creditBytes ? first.subarray(0, this.#creditBytes) : first
    if (bytes.length === first.length) this.#queue.shift()
    else this.#queue[0] = first.subarray(bytes.length)
    this.#creditBytes -= bytes.length
    this.#sentBytes += bytes.length
    this.#writing = true
    this.#socket.write(bytes, (error) => {
      this.#writing = false
      if (error != null || this.#sentBytes > PIECE_TLS.maxBytes) this.#end()
      this.#pump()
      this.#settle()
    })
  }

  #settle(): void {
    if (this.#closed || this.#busy) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve(true)
  }

  /** The reader takes so many bytes more. */
  #granted(chunk: Uint8Array): void {
    for (const byte of chunk) {
      this.#grant[this.#grantFilled++] = byte
      if (this.#grantFilled < CREDIT_BYTES) continue
      this.#grantFilled = 0
      this.#creditBytes += this.#grant.readUInt32BE()
    }
    if (this.#creditBytes > PIECE_TLS.maxWindowBytes) this.#end()
    this.#pump()
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    this.#queue = []
    this.#socket.destroy()
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve(false)
    this.#receiver?.closed()
  }
}

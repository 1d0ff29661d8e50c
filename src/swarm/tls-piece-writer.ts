import type { TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { ByteChannel, ByteReceiver } from './byte-channel.ts'
import { UplinkDecoder } from './uplink-records.ts'
import { PIECE_TLS } from './wire-limits.ts'

/** Few, large writes; what is written after it waits here, in reach of nobody but us. */
const SLICE_BYTES = 256 * 1024
/** A reader that takes nothing of what is waiting for this long, on a link that is alive, has lost this connection. */
const STALLED_MS = 30_000

interface TlsPieceWriterDeps {
  readonly clock: Clock
  /** Called synchronously, in order, with the bytes of the reader's control stream. */
  readonly control: (bytes: Uint8Array) => void
}

/** Somebody waits for the reader to have taken this much in all. */
interface Arrival {
  readonly bytes: number
  readonly resolve: (arrived: boolean) => void
}

/**
 * The sending half of a TLS piece connection. The reader says how many bytes it takes and has taken, so that what is on
 * its way is bounded by the reader and not by what the kernels would buffer, and it is known what has arrived.
 */
export class TlsPieceWriter implements ByteChannel {
  readonly sliceBytes = SLICE_BYTES
  readonly #socket: TLSSocket
  readonly #clock: Clock
  readonly #uplink: UplinkDecoder
  #receiver: ByteReceiver | undefined
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #writing = false
  /** What the reader lets be under way; unknown until it says so. */
  #windowBytes: number | undefined
  /** Since the beginning: given to the transport, and taken by the reader of that. */
  #sentBytes = 0
  #takenBytes = 0
  #waiting: ((open: boolean) => void)[] = []
  #arrivals: Arrival[] = []
  #watch: Disposable | undefined
  #closed = false

  /** `socket`: proven to be the peer's, its token read. */
  constructor(socket: TLSSocket, { clock, control }: TlsPieceWriterDeps) {
    this.#socket = socket
    this.#clock = clock
    this.#uplink = new UplinkDecoder({
      control: (bytes) => {
        if (!this.#closed) control(bytes)
      },
      credit: (bytes) => this.#granted(bytes),
    })
  }

  get pendingBytes(): number {
    return this.#queuedBytes
  }

  open(receiver: ByteReceiver): void {
    const socket = this.#socket
    this.#receiver = receiver
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('close', () => this.#end())
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
    this.#queuedBytes += bytes.length
    this.#watchReader()
    this.#pump()
    return !this.#busy
  }

  drained(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    if (!this.#busy) return Promise.resolve(true)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  arrived(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    if (this.#untakenBytes === 0) return Promise.resolve(true)
    return new Promise((resolve) => this.#arrivals.push({ bytes: this.#sentBytes + this.#queuedBytes, resolve }))
  }

  close(): void {
    this.#receiver = undefined
    this.#end()
  }

  get #busy(): boolean {
    return this.#writing || this.#queue.length > 0
  }

  get #untakenBytes(): number {
    return this.#sentBytes + this.#queuedBytes - this.#takenBytes
  }

  /** One write at a time: TLS encrypts straight from our buffer, and is done with it when it calls back. */
  #pump(): void {
    const first = this.#queue[0]
    const creditBytes = (this.#windowBytes ?? 0) + this.#takenBytes - this.#sentBytes
    if (first === undefined || this.#writing || this.#closed || creditBytes === 0) return
    const bytes = first.length > creditBytes ? first.subarray(0, creditBytes) : first
    if (bytes.length === first.length) this.#queue.shift()
    else this.#queue[0] = first.subarray(bytes.length)
    this.#queuedBytes -= bytes.length
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

  #read(chunk: Uint8Array): void {
    if (this.#closed) return
    try {
      this.#uplink.push(chunk)
    } catch (error) {
      this.#end(error instanceof ShoalError ? error : undefined)
    }
  }

  /** The first credit is the window; every other one says how much of it is free again. */
  #granted(bytes: number): void {
    if (this.#closed) return
    if (this.#windowBytes === undefined) this.#windowBytes = bytes
    else this.#takenBytes += bytes
    if (this.#windowBytes > PIECE_TLS.maxWindowBytes || this.#takenBytes > this.#sentBytes) {
      throw new ShoalError('PEER_PROTOCOL', 'a peer takes more than it may, or than it was sent', {
        details: { bytes },
      })
    }
    while (this.#arrivals[0] !== undefined && this.#arrivals[0].bytes <= this.#takenBytes) {
      this.#arrivals.shift()!.resolve(true)
    }
    this.#pump()
  }

  /** While something waits to be taken, looks from time to time whether anything was. */
  #watchReader(): void {
    if (this.#watch !== undefined || this.#closed || this.#untakenBytes === 0) return
    const takenBytes = this.#takenBytes
    this.#watch = this.#clock.after(STALLED_MS, () => {
      this.#watch = undefined
      if (this.#untakenBytes > 0 && this.#takenBytes === takenBytes) this.#end()
      this.#watchReader()
    })
  }

  #end(error?: ShoalError): void {
    if (this.#closed) return
    this.#closed = true
    this.#queue = []
    this.#queuedBytes = 0
    this.#watch?.[Symbol.dispose]()
    this.#socket.destroy()
    for (const resolve of this.#waiting.splice(0)) resolve(false)
    for (const { resolve } of this.#arrivals.splice(0)) resolve(false)
    this.#receiver?.closed(error)
  }
}

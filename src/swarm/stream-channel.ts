import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import type { ByteChannel, ByteReceiver } from './byte-channel.ts'

/** A noise record holds 65519 bytes of plaintext and yamux puts 12 in front: this fills exactly one record. */
const RECORD_BYTES = 65_519 - 12
/** How much a live link's reader may leave unread. It leaves nothing: this only has to exceed the yamux window. */
const OPEN_READ_BUFFER_BYTES = 8 * 1024 * 1024
/** The window over long distances: 80 MB/s at 50 ms. */
const WIDE_WINDOW_BYTES = 4 * 1024 * 1024

/**
 * A libp2p stream as a byte channel. Uses 'message' events, because iterating over a stream has no back-pressure, and
 * its own waiting for 'drain', because the library's `onDrain()` resolves at once from the second time on.
 */
export class StreamChannel implements ByteChannel {
  readonly sliceBytes = RECORD_BYTES
  readonly #stream: Stream
  #receiver: ByteReceiver | undefined
  #waiting: ((open: boolean) => void)[] = []
  #onEarly: () => void = () => {}
  #closed = false

  constructor(stream: Stream) {
    this.#stream = stream
    stream.addEventListener('drain', this.#onProgress)
    stream.addEventListener('idle', this.#onProgress)
    stream.addEventListener('close', this.#onClose)
    stream.addEventListener('remoteCloseWrite', this.#onClose)
  }

  get pendingBytes(): number {
    return this.#stream.writeBufferLength
  }

  /** Lets the window grow with the traffic, for links whose round trip is long. */
  widen(): void {
    // A field of yamux streams that the stream interface does not declare; without it the window stays as it is.
    const stream: Stream & { maxStreamWindowSize?: number } = this.#stream
    if (stream.maxStreamWindowSize !== undefined) stream.maxStreamWindowSize = WIDE_WINDOW_BYTES
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed) return false
    try {
      return this.#stream.send(bytes)
    } catch {
      // Closed under us; the close event says the rest.
      return false
    }
  }

  drained(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    if (this.#idle()) return Promise.resolve(true)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  arrived(): Promise<boolean> {
    return this.drained()
  }

  open(receiver: ByteReceiver): void {
    this.#receiver = receiver
    if (this.#closed) {
      receiver.closed()
      return
    }
    this.#stream.removeEventListener('message', this.#onEarly)
    this.#stream.maxReadBufferLength = OPEN_READ_BUFFER_BYTES
    this.#stream.addEventListener('message', this.#onMessage)
    // Both may have happened before anyone listened.
    if (this.#stream.status !== 'open' || this.#stream.remoteWriteStatus === 'closed') this.#onClose()
  }

  /** Until the channel is opened, what comes is not kept but told of: the peer has nothing to say yet. */
  expectNothing(early: () => void): void {
    this.#onEarly = early
    this.#stream.addEventListener('message', early)
  }

  close(): void {
    if (this.#closed) return
    this.#end()
    this.#stream.abort(new Error('the link has ended'))
  }

  /**
   * Whether the transport is done with what was written. The layers below encrypt as they take, except while they are
   * saturated; so either nothing was ever refused, or a drain has passed through all of them since.
   */
  #idle(): boolean {
    return !this.#stream.writableNeedsDrain && this.#stream.writeBufferLength === 0
  }

  readonly #onMessage = (event: StreamMessageEvent): void => {
    const { data } = event
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      if (this.#closed) return
      this.#receiver?.data(chunk)
    }
  }

  // On 'drain' every layer resumes in a microtask, the lowest first; ours, queued last, sees what they have achieved.
  readonly #onProgress = (): void => {
    if (this.#waiting.length > 0) queueMicrotask(() => this.#settle())
  }

  #settle(): void {
    if (this.#closed || this.#waiting.length === 0 || !this.#idle()) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve(true)
  }

  readonly #onClose = (): void => {
    if (this.#closed) return
    this.#end()
    this.#receiver?.closed()
  }

  #end(): void {
    this.#closed = true
    this.#stream.removeEventListener('message', this.#onMessage)
    this.#stream.removeEventListener('message', this.#onEarly)
    this.#stream.removeEventListener('drain', this.#onProgress)
    this.#stream.removeEventListener('idle', this.#onProgress)
    this.#stream.removeEventListener('close', this.#onClose)
    this.#stream.removeEventListener('remoteCloseWrite', this.#onClose)
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve(false)
  }
}

import { ShoalError } from '../base/errors.ts'
import type { ByteChannel, ByteOutlet, ByteReceiver } from './byte-channel.ts'
import { ByteGate } from './byte-gate.ts'
import { FrameDecoder, LENGTH_BYTES } from './frame-decoder.ts'
import type { Frame, ReceivedFrame } from './wire.ts'
import { decodeFrame, encodeFrame } from './wire.ts'
import { MAX_FRAME_BYTES, MAX_HANDSHAKE_FRAME_BYTES } from './wire-limits.ts'

/** Told of every frame, with its length on the wire. */
export type FrameCounter = (direction: 'received' | 'sent', frame: ReceivedFrame, bytes: number) => void

/** What a peer that does not read may make us hold: some manifests and a lot of small talk. */
const MAX_BACKLOG_BYTES = 32 * 1024 * 1024
/** What may arrive between the handshake and the link taking over: what was in the same network read, at most. */
const MAX_HELD_FRAMES = 16 * 1024
/** What may overtake a peer's `moved`: more than its largest frame. */
const MAX_OVERTAKING_BYTES = 8 * 1024 * 1024

/** Receives what a control channel carries. Called synchronously, in order. */
export interface ControlReceiver {
  frame(frame: ReceivedFrame): void
  /** The channel is of no more use: the peer broke the protocol (`PEER_PROTOCOL`), or is gone (`PEER_GONE`). Called once. */
  failed(error: ShoalError): void
}

/**
 * Frames over a byte channel. Whatever is sent in one turn of the event loop leaves as one write. Frames wait while
 * there is no receiver, so that a handshake and a link can follow each other on one channel. Either way may move once to
 * something better; the order of its frames stays what it was.
 */
export class ControlChannel implements ByteReceiver {
  readonly #channel: ByteChannel
  readonly #counted: FrameCounter
  /** Where frames go. */
  #outlet: ByteOutlet
  readonly #first = new FrameDecoder(MAX_HANDSHAKE_FRAME_BYTES)
  /** The one whose frames are due. */
  #decoder = this.#first
  /** Where the peer may move to, and what has overtaken its `moved`. */
  #next: { readonly decoder: FrameDecoder; readonly gate: ByteGate } | undefined
  #receiver: ControlReceiver | undefined
  #held: ReceivedFrame[] = []
  #outbox: Uint8Array[] = []
  #failure: ShoalError | undefined
  #closed = false
  #heard = false
  #spoke = false

  constructor(channel: ByteChannel, counted: FrameCounter = () => {}) {
    this.#channel = channel
    this.#counted = counted
    this.#outlet = channel
  }

  open(): void {
    this.#channel.open(this)
  }

  /** Hands over, first what has been held back. `undefined`: frames wait. */
  setReceiver(receiver: ControlReceiver | undefined): void {
    this.#receiver = receiver
    const held = this.#held
    this.#held = []
    this.#guarded(() => {
      for (const frame of held) this.#deliver(frame)
    })
    if (this.#failure !== undefined && this.#receiver === receiver) receiver?.failed(this.#failure)
  }

  /** The peer has proven membership: from here on its frames may have the full size. */
  allowLargeFrames(): void {
    this.#first.setLimit(MAX_FRAME_BYTES)
  }

  /** What is sent from here on goes by `outlet`; the last frame before tells the peer so. To be called once. */
  moveTo(outlet: ByteOutlet): void {
    this.send({ frame: 'moved' })
    this.#flush()
    this.#outlet = outlet
  }

  /**
   * Where the bytes are to be put that follow the peer's `moved`. They may overtake it: then they wait for it. To be
   * asked for once, before the peer can move.
   */
  continuation(): (bytes: Uint8Array) => void {
    const decoder = new FrameDecoder(MAX_FRAME_BYTES)
    const gate = new ByteGate(MAX_OVERTAKING_BYTES, (bytes) => this.#receive(bytes, decoder))
    this.#next = { decoder, gate }
    return (bytes) => this.#heardOf(() => gate.push(bytes))
  }

  /** Whether bytes came in, and whether any went out, since the last time this was asked. */
  takeActivity(): { readonly heard: boolean; readonly spoke: boolean } {
    const activity = { heard: this.#heard, spoke: this.#spoke }
    this.#heard = false
    this.#spoke = false
    return activity
  }

  /** Throws `RangeError` for a frame that is larger than a peer would take. */
  send(frame: Frame): void {
    if (this.#closed) return
    const bytes = encodeFrame(frame)
    this.#counted('sent', frame, bytes.length)
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush())
    this.#outbox.push(bytes)
  }

  #flush(): void {
    if (this.#closed || this.#outbox.length === 0) return
    const [first, ...rest] = this.#outbox
    this.#outbox = []
    this.#spoke = true
    this.#outlet.write(rest.length === 0 ? first! : Buffer.concat([first!, ...rest]))
    if (this.#outlet.pendingBytes > MAX_BACKLOG_BYTES) {
      this.#fail(new ShoalError('PEER_PROTOCOL', 'a peer does not read what it is sent'))
    }
  }

  /** Nothing is sent or delivered any more; what has been handed to the transport still leaves. Idempotent. */
  close(): void {
    this.#flush()
    this.#closed = true
    this.#held = []
  }

  data(chunk: Uint8Array): void {
    this.#heardOf(() => this.#receive(chunk, this.#first))
  }

  closed(): void {
    this.#fail(new ShoalError('PEER_GONE', 'the connection to the peer has ended'))
  }

  #heardOf(take: () => void): void {
    if (this.#closed || this.#failure !== undefined) return
    this.#heard = true
    this.#guarded(take)
  }

  #receive(bytes: Uint8Array, decoder: FrameDecoder): void {
    for (const body of decoder.push(bytes)) {
      if (decoder !== this.#decoder)
        throw new ShoalError('PEER_PROTOCOL', 'a peer sent a frame where it had moved away')
      const frame = decodeFrame(body)
      this.#counted('received', frame, LENGTH_BYTES + body.length)
      if (frame.frame === 'moved') this.#peerMoved()
      else this.#deliver(frame)
      if (this.#closed) return
    }
  }

  #peerMoved(): void {
    const next = this.#next
    if (next === undefined) throw new ShoalError('PEER_PROTOCOL', 'a peer moved, but not to a place known')
    this.#next = undefined
    this.#decoder = next.decoder
    next.gate.open()
  }

  /** An exception on the way of a frame ends this channel, and nothing else. */
  #guarded(deliver: () => void): void {
    try {
      deliver()
    } catch (error) {
      this.#fail(
        error instanceof ShoalError
          ? error
          : new ShoalError('PEER_PROTOCOL', 'a frame could not be handled', { cause: error }),
      )
    }
  }

  #deliver(frame: ReceivedFrame): void {
    if (this.#closed) return
    if (this.#receiver !== undefined) this.#receiver.frame(frame)
    else if (this.#held.push(frame) > MAX_HELD_FRAMES) throw new ShoalError('PEER_PROTOCOL', 'a peer spoke out of turn')
  }

  #fail(error: ShoalError): void {
    if (this.#failure !== undefined || this.#closed) return
    this.#failure = error
    this.#outbox = []
    this.#receiver?.failed(error)
  }
}

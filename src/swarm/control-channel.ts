import { ShoalError } from '../base/errors.ts'
import type { ByteBudget, Holding } from './byte-budget.ts'
import type { ByteChannel, ByteOutlet, ByteReceiver } from './byte-channel.ts'
import { ByteGate } from './byte-gate.ts'
import { FrameDecoder, LENGTH_BYTES } from './frame-decoder.ts'
import type { AnswerRoom } from './request-server.ts'
import type { Vocabulary } from './vocabulary.ts'
import type { Frame, ReceivedFrame } from './wire.ts'
import { decodeFrame, encodeFrame } from './wire.ts'
import { MAX_FRAME_BYTES, MAX_HANDSHAKE_FRAME_BYTES } from './wire-limits.ts'

/** Told of every frame, with its length on the wire. */
type FrameCounter = (direction: 'received' | 'sent', frame: ReceivedFrame, bytes: number) => void

/** What a peer that does not read may make us hold: some manifests and a lot of small talk. */
const MAX_BACKLOG_BYTES = 32 * 1024 * 1024
/** What may arrive between the handshake and the link taking over: what was in the same network read, at most. */
const MAX_HELD_FRAMES = 16 * 1024
const MAX_HELD_BYTES = MAX_FRAME_BYTES + 1024 * 1024
/** With this much of what it was sent still here, a peer gets no more answers: they wait as they were found. */
const MAX_UNSENT_BYTES = 256 * 1024
/** What is on its way at any moment, and nobody's burden. */
const PASSING_BYTES = 16 * 1024
/** What may overtake a peer's `moved`: more than its largest frame. */
const MAX_OVERTAKING_BYTES = 8 * 1024 * 1024

export interface ControlChannelDeps {
  readonly vocabulary: Vocabulary
  readonly counted: FrameCounter
  readonly budget: ByteBudget
}

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
export class ControlChannel implements ByteReceiver, AnswerRoom {
  readonly #channel: ByteChannel
  readonly #vocabulary: Vocabulary
  readonly #counted: FrameCounter
  readonly #holding: Holding
  /** Where frames go. */
  #outlet: ByteOutlet
  readonly #first = new FrameDecoder(MAX_HANDSHAKE_FRAME_BYTES)
  /** The one whose frames are due. */
  #decoder = this.#first
  /** Where the peer may move to, and what has overtaken its `moved`. */
  #next: { readonly decoder: FrameDecoder; readonly gate: ByteGate } | undefined
  #receiver: ControlReceiver | undefined
  #held: ReceivedFrame[] = []
  #heldBytes = 0
  #outbox: Uint8Array[] = []
  #outboxBytes = 0
  /** Given to the outlet, and of that what had left it when somebody last looked. */
  #writtenBytes = 0
  #leftBytes = 0
  #draining = false
  #failure: ShoalError | undefined
  #closed = false
  #heardTimes = 0
  #spoke = false

  constructor(channel: ByteChannel, { vocabulary, counted, budget }: ControlChannelDeps) {
    this.#channel = channel
    this.#vocabulary = vocabulary
    this.#counted = counted
    this.#outlet = channel
    this.#holding = budget.open({ measure: () => this.#measure(), end: (error) => this.#fail(error) })
  }

  open(): void {
    this.#channel.open(this)
  }

  /** Hands over, first what has been held back. `undefined`: frames wait. */
  setReceiver(receiver: ControlReceiver | undefined): void {
    this.#receiver = receiver
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    this.#guarded(() => {
      for (const frame of held) this.#deliver(frame, 0)
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
    this.#writtenBytes = 0
    this.#leftBytes = 0
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

  /**
   * Whether any bytes went out since the last time this was asked; `stuck`: nothing has left of what waits for the peer.
   */
  takeActivity(): { readonly spoke: boolean; readonly stuck: boolean } {
    const pendingBytes = this.#outlet.pendingBytes
    const leftBytes = this.#writtenBytes - pendingBytes
    const activity = {
      spoke: this.#spoke,
      stuck: pendingBytes > 0 && leftBytes === this.#leftBytes,
    }
    this.#spoke = false
    this.#leftBytes = leftBytes
    this.#holding.update()
    return activity
  }

  /** How often bytes have come in. */
  get heardTimes(): number {
    return this.#heardTimes
  }

  get mayBegin(): boolean {
    return this.#unsentBytes < MAX_UNSENT_BYTES && this.#holding.mayBegin
  }

  get mayWrite(): boolean {
    return this.#unsentBytes < MAX_UNSENT_BYTES && this.#holding.mayGrow
  }

  whenRoom(tell: () => void): void {
    if (this.#unsentBytes < MAX_UNSENT_BYTES) this.#holding.wait(tell)
    else this.#afterFlush(() => void this.#outlet.drained().then((open) => open && tell()))
  }

  keep(part: object, bytes: number): void {
    this.#holding.keep(part, bytes)
  }

  release(part: object): void {
    this.#holding.release(part)
  }

  get #unsentBytes(): number {
    return this.#outboxBytes + this.#outlet.pendingBytes
  }

  #measure(): number {
    if (this.#closed || this.#failure !== undefined) return 0
    const next = this.#next === undefined ? 0 : this.#next.decoder.heldBytes + this.#next.gate.heldBytes
    const incoming = this.#first.heldBytes + (this.#decoder === this.#first ? next : this.#decoder.heldBytes)
    const unsent = this.#unsentBytes
    return this.#heldBytes + incoming + (unsent > PASSING_BYTES ? unsent : 0)
  }

  /** Throws `RangeError` for a frame that is larger than a peer would take. */
  send(frame: Frame): void {
    if (this.#closed) return
    const bytes = encodeFrame(frame)
    this.#counted('sent', frame, bytes.length)
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush())
    this.#outbox.push(bytes)
    this.#outboxBytes += bytes.length
  }

  /** What was sent in this turn goes to the outlet first. */
  #afterFlush(then: () => void): void {
    queueMicrotask(() => {
      this.#flush()
      then()
    })
  }

  #flush(): void {
    if (this.#closed || this.#outbox.length === 0) return
    const [first, ...rest] = this.#outbox
    this.#outbox = []
    this.#writtenBytes += this.#outboxBytes
    this.#outboxBytes = 0
    this.#spoke = true
    this.#outlet.write(rest.length === 0 ? first! : Buffer.concat([first!, ...rest]))
    if (this.#outlet.pendingBytes > MAX_BACKLOG_BYTES) this.#fail(unreadError())
    this.#holding.update()
    if (this.#outlet.pendingBytes > PASSING_BYTES) this.#watchDrain()
  }

  /** What has left must not count any longer, though nothing else is sent. */
  #watchDrain(): void {
    if (this.#draining) return
    this.#draining = true
    void this.#outlet.drained().then(() => {
      this.#draining = false
      this.#holding.update()
    })
  }

  /** Nothing is sent or delivered any more; what has been handed to the transport still leaves. Idempotent. */
  close(): void {
    this.#flush()
    this.#closed = true
    this.#held = []
    this.#holding[Symbol.dispose]()
  }

  data(chunk: Uint8Array): void {
    this.#heardOf(() => this.#receive(chunk, this.#first))
  }

  closed(): void {
    this.#fail(new ShoalError('PEER_GONE', 'the connection to the peer has ended'))
  }

  #heardOf(take: () => void): void {
    if (this.#closed || this.#failure !== undefined) return
    this.#heardTimes++
    this.#guarded(take)
    this.#holding.update()
  }

  #receive(bytes: Uint8Array, decoder: FrameDecoder): void {
    for (const body of decoder.push(bytes)) {
      if (decoder !== this.#decoder)
        throw new ShoalError('PEER_PROTOCOL', 'a peer sent a frame where it had moved away')
      const frame = decodeFrame(body, this.#vocabulary)
      this.#counted('received', frame, LENGTH_BYTES + body.length)
      if (frame.frame === 'moved') this.#peerMoved()
      else this.#deliver(frame, body.length)
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

  #deliver(frame: ReceivedFrame, bytes: number): void {
    if (this.#closed) return
    if (this.#receiver !== undefined) {
      this.#receiver.frame(frame)
      return
    }
    this.#heldBytes += bytes
    if (this.#held.push(frame) <= MAX_HELD_FRAMES && this.#heldBytes <= MAX_HELD_BYTES) return
    throw new ShoalError('PEER_PROTOCOL', 'a peer spoke out of turn')
  }

  #fail(error: ShoalError): void {
    if (this.#failure !== undefined || this.#closed) return
    this.#failure = error
    this.#outbox = []
    this.#outboxBytes = 0
    this.#held = []
    this.#first.drop()
    this.#next?.decoder.drop()
    this.#decoder.drop()
    this.#holding.update()
    this.#receiver?.failed(error)
  }
}

/** What ends a link whose peer lets what it is sent pile up. */
export function unreadError(): ShoalError {
  return new ShoalError('PEER_PROTOCOL', 'a peer does not read what it is sent', { details: { reason: 'unread' } })
}

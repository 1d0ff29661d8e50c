import { ShoalError } from '../base/errors.ts'
import type { ByteChannel, ByteInlet } from './byte-channel.ts'
import type { PieceSink } from './interface.ts'
import type { PieceChannel, PieceChannelEvents } from './piece-channel.ts'
import { PieceReceiver } from './piece-receiver.ts'
import { PieceSender } from './piece-sender.ts'

/** A way in, and what has arrived by it of the next piece. */
interface Incoming {
  readonly inlet: ByteInlet
  readonly receiver: PieceReceiver
}

interface FramedPieceOptions {
  /** Pieces wait for sendThrough(), whatever channel there is. */
  readonly hold?: boolean
  /** The first piece is to be sent, or expected. */
  readonly firstUse?: (use: 'send' | 'expect') => void
}

/**
 * A piece channel over byte channels: frames of a 12-byte header and the piece. It starts with one channel both ways;
 * better ones may join, each way for itself. Every piece travels whole by one of them, and an answer counts whichever
 * way it comes, so nothing has to be agreed on about when.
 */
export class FramedPieceChannel implements PieceChannel {
  readonly #first: ByteChannel
  readonly #sender: PieceSender
  readonly #expected = new Map<number, PieceSink>()
  readonly #incoming: Incoming[] = []
  readonly #unused: Set<'send' | 'expect'> = new Set(['send', 'expect'])
  readonly #firstUse: (use: 'send' | 'expect') => void
  #events: PieceChannelEvents | undefined
  #heardTimes = 0
  #closed = false

  constructor(channel: ByteChannel, options: FramedPieceOptions = {}) {
    this.#first = channel
    this.#sender = new PieceSender(options.hold === true ? undefined : channel)
    this.#firstUse = options.firstUse ?? (() => {})
  }

  get queued(): number {
    return this.#sender.queued
  }

  /** Whether there is a way to send; pieces wait when there is none. */
  get canSend(): boolean {
    return this.#sender.hasChannel
  }

  open(events: PieceChannelEvents): void {
    this.#events = events
    this.receiveFrom(this.#first)
  }

  /** Pieces come this way too, from its first byte on. */
  receiveFrom(inlet: ByteInlet): void {
    if (this.#closed) {
      inlet.close()
      return
    }
    const incoming = { inlet, receiver: new PieceReceiver(this.#expected) }
    this.#incoming.push(incoming)
    inlet.open({
      data: (chunk) => this.#data(incoming, chunk),
      closed: (error) => this.fail(error ?? new ShoalError('PEER_GONE', 'a piece channel to the peer has ended')),
    })
  }

  /** From the next piece on, pieces go this way. */
  sendThrough(channel: ByteChannel): void {
    this.receiveFrom(channel)
    this.#sender.use(channel)
  }

  send(id: number, piece: number, bytes: Uint8Array, signal: AbortSignal, written?: () => void): Promise<boolean> {
    this.#use('send')
    return this.#sender.send(id, piece, bytes, signal, written)
  }

  expect(id: number, sink: PieceSink): void {
    if (this.#closed) return
    this.#expected.set(id, sink)
    this.#use('expect')
  }

  forget(id: number): void {
    this.#expected.delete(id)
    for (const { receiver } of this.#incoming) receiver.forget(id)
  }

  get heardTimes(): number {
    return this.#heardTimes
  }

  takeStuck(): boolean {
    return this.#sender.takeStuck()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#sender.end()
    this.#first.close()
    for (const { inlet } of this.#incoming) inlet.close()
  }

  /** Ends the channel and tells its user why, once. */
  fail(error: Error): void {
    if (this.#closed) return
    this.close()
    this.#events?.failed(error)
  }

  #data({ inlet, receiver }: Incoming, chunk: Uint8Array): void {
    if (this.#closed) return
    this.#heardTimes++
    try {
      if (receiver.push(chunk)) inlet.acknowledge?.()
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #use(use: 'send' | 'expect'): void {
    if (!this.#closed && this.#unused.delete(use)) this.#firstUse(use)
  }
}

import { ShoalError } from '../base/errors.ts'
import type { ByteChannel, ByteReceiver } from './byte-channel.ts'
import type { PieceSink } from './interface.ts'
import type { PieceChannel, PieceChannelEvents } from './piece-channel.ts'
import { PieceReceiver } from './piece-receiver.ts'
import { PieceSender } from './piece-sender.ts'

/** A piece channel over any byte channel: frames of a 12-byte header and the piece. */
export class FramedPieceChannel implements PieceChannel, ByteReceiver {
  readonly #channel: ByteChannel
  readonly #sender: PieceSender
  readonly #receiver = new PieceReceiver()
  #events: PieceChannelEvents | undefined
  #heard = false
  #closed = false

  constructor(channel: ByteChannel) {
    this.#channel = channel
    this.#sender = new PieceSender(channel)
  }

  get queued(): number {
    return this.#sender.queued
  }

  open(events: PieceChannelEvents): void {
    this.#events = events
    this.#channel.open(this)
  }

  send(id: number, piece: number, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    return this.#sender.send(id, piece, bytes, signal)
  }

  expect(id: number, sink: PieceSink): void {
    if (!this.#closed) this.#receiver.expect(id, sink)
  }

  forget(id: number): void {
    this.#receiver.forget(id)
  }

  takeHeard(): boolean {
    const heard = this.#heard
    this.#heard = false
    return heard
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#sender.end()
    this.#channel.close()
  }

  data(chunk: Uint8Array): void {
    if (this.#closed) return
    this.#heard = true
    try {
      this.#receiver.push(chunk)
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  closed(): void {
    this.#fail(new ShoalError('PEER_GONE', 'the piece channel to the peer has ended'))
  }

  #fail(error: Error): void {
    if (this.#closed) return
    this.close()
    this.#events?.failed(error)
  }
}

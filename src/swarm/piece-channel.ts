import type { PieceSink } from './interface.ts'

/** Receives the events of a piece channel. Called synchronously, in order. */
export interface PieceChannelEvents {
  /** The peer broke the protocol, or the channel has ended. Called once. */
  failed(error: Error): void
}

/**
 * Carries pieces both ways between two proven members, apart from control messages. The transport below is of no
 * concern here: what a link needs of it is this much.
 */
export interface PieceChannel {
  /** Starts to receive. To be called once. */
  open(events: PieceChannelEvents): void
  /**
   * Sends one piece. Pieces go out one after another, in the order of the calls, and none waits for the one before to
   * arrive. Resolves true when the peer has taken all of it, or where the transport cannot tell, when that has; `bytes`
   * are free then. False when it was aborted before its turn, when too many wait already, or when the channel has ended.
   * A piece whose sending has begun is sent to its end: the peer has been told its length.
   */
  send(id: number, piece: number, bytes: Uint8Array, signal: AbortSignal, written?: () => void): Promise<boolean>
  /** Pieces waiting, being sent or on their way. */
  readonly queued: number
  /** The bytes that answer `id` go to `sink`, once. */
  expect(id: number, sink: PieceSink): void
  /** `sink` is not touched any more; what still arrives for `id` is skipped. */
  forget(id: number): void
  /** How often bytes have come in. */
  readonly heardTimes: number
  /** Whether a piece is being sent and nothing of it has left since the last time this was asked. */
  takeStuck(): boolean
  /** Idempotent. */
  close(): void
}

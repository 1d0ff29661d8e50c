import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { CallClient } from './call-client.ts'
import { CallServer } from './call-server.ts'
import type { ControlChannel, ControlReceiver } from './control-channel.ts'
import type {
  CallArguments,
  CallName,
  CallResults,
  ControlMessage,
  PeerInfo,
  PeerLink,
  PieceSink,
  SwarmEvents,
} from './interface.ts'
import type { SwarmLimits } from './options.ts'
import type { PieceChannel } from './piece-channel.ts'
import type { CallFrame, Frame } from './wire.ts'

/** So many ping intervals without a byte end a link. */
const SILENT_INTERVALS = 3

/** What a link is made of. */
export interface LinkParts {
  readonly peer: PeerInfo
  readonly direction: 'inbound' | 'outbound'
  readonly control: ControlChannel
  readonly pieces: PieceChannel
}

export interface LinkDeps {
  readonly events: SwarmEvents
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: SwarmLimits
  /** The link is over; called once. The connection below is the owner's to close. */
  readonly ended: (link: Link, error: ShoalError) => void
  readonly callRefused: () => void
}

/** A live link: dispatches what arrives, watches that something does, and ends as a whole. */
export class Link implements PeerLink, ControlReceiver {
  readonly peer: PeerInfo
  readonly direction: 'inbound' | 'outbound'
  /** By the clock, when it was linked. */
  readonly sinceMs: number
  readonly #deps: LinkDeps
  readonly #control: ControlChannel
  readonly #pieces: PieceChannel
  readonly #client: CallClient
  readonly #server: CallServer
  #timer: Disposable | undefined
  #silentIntervals = 0
  #ended = false

  constructor(parts: LinkParts, deps: LinkDeps) {
    this.peer = parts.peer
    this.direction = parts.direction
    this.#deps = deps
    this.#control = parts.control
    this.#pieces = parts.pieces
    this.sinceMs = deps.clock.now()
    const send = (frame: Frame): void => this.#control.send(frame)
    this.#client = new CallClient({ clock: deps.clock, send }, deps.limits)
    this.#server = new CallServer(
      { logger: deps.logger, send, answer: (call, signal) => this.#answer(call, signal), refused: deps.callRefused },
      deps.limits.maxCalls,
    )
  }

  /** Lets frames and pieces in. To be called once, when the owner knows the link. */
  start(): void {
    if (this.#ended) return
    this.#watch()
    this.#pieces.open({ failed: (error) => this.end(asShoalError(error)) })
    this.#control.setReceiver(this)
  }

  send(message: ControlMessage): void {
    if (this.#ended) return
    try {
      this.#control.send({ frame: 'message', message })
    } catch (error) {
      this.#deps.logger.error({ type: message.type, err: error }, 'a message was too large to send')
    }
  }

  call<N extends CallName>(name: N, args: CallArguments[N], signal: AbortSignal): Promise<CallResults[N]> {
    return this.#client.call(name, args, signal)
  }

  sendPiece(id: number, piece: number, bytes: Uint8Array, signal: AbortSignal, written?: () => void): Promise<boolean> {
    return this.#pieces.send(id, piece, bytes, signal, written)
  }

  expect(id: number, sink: PieceSink): void {
    this.#pieces.expect(id, sink)
  }

  forget(id: number): void {
    this.#pieces.forget(id)
  }

  close(reason: string): void {
    this.end(new ShoalError('PEER_GONE', `the link was closed: ${reason}`))
  }

  /** Ends the link for this error; the first one counts. */
  end(error: ShoalError): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer?.[Symbol.dispose]()
    this.#control.close()
    this.#pieces.close()
    const gone =
      error.code === 'PEER_GONE' ? error : new ShoalError('PEER_GONE', 'the link has ended', { cause: error })
    this.#client.end(gone)
    this.#server.end(gone)
    this.#deps.ended(this, error)
  }

  frame(frame: Frame): void {
    switch (frame.frame) {
      case 'message':
        this.#deliver(frame.message)
        return
      case 'call':
        this.#server.receive(frame)
        return
      case 'abandon':
        this.#server.abandon(frame.id)
        return
      case 'answer':
        this.#client.answered(frame.id, frame.result)
        return
      case 'ping':
        return
      case 'bye':
        this.end(new ShoalError('PEER_GONE', 'the peer closed the link', { details: { reason: frame.reason } }))
        return
      case 'hello':
      case 'about':
        throw new ShoalError('PEER_PROTOCOL', 'a peer introduced itself twice')
    }
  }

  failed(error: ShoalError): void {
    this.end(error)
  }

  #deliver(message: ControlMessage): void {
    try {
      this.#deps.events.message(this, message)
    } catch (error) {
      // A fault of ours: it must not cost the peer its link.
      this.#deps.logger.error({ type: message.type, err: error }, 'a message handler failed')
    }
  }

  async #answer(call: CallFrame, signal: AbortSignal): Promise<CallResults[CallName]> {
    return await this.#deps.events.call(this, call.name, call.args, signal)
  }

  #watch(): void {
    this.#timer = this.#deps.clock.after(this.#deps.limits.pingIntervalMs, () => {
      const { heard, spoke } = this.#control.takeActivity()
      // Counted in turns of this timer rather than by the clock: when this process itself was stopped, the peer is not
      // to blame, and its bytes are read before the next turn.
      this.#silentIntervals = this.#pieces.takeHeard() || heard ? 0 : this.#silentIntervals + 1
      if (this.#silentIntervals >= SILENT_INTERVALS) {
        this.end(new ShoalError('PEER_GONE', 'the peer has fallen silent'))
        return
      }
      if (!spoke) this.#control.send({ frame: 'ping' })
      this.#watch()
    })
  }
}

function asShoalError(error: Error): ShoalError {
  return error instanceof ShoalError ? error : new ShoalError('PEER_PROTOCOL', errorText(error), { cause: error })
}

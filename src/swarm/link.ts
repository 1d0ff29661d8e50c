import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { CallClient } from './call-client.ts'
import { CallServer, unavailable } from './call-server.ts'
import type { ControlChannel, ControlReceiver } from './control-channel.ts'
import { unreadError } from './control-channel.ts'
import type {
  CallArguments,
  CallName,
  CallResults,
  ControlMessage,
  PeerInfo,
  PeerLink,
  PieceSink,
  Spoken,
  SwarmEvents,
  UpkeepMessage,
} from './interface.ts'
import type { SwarmLimits } from './options.ts'
import type { PieceChannel } from './piece-channel.ts'
import type { Speech } from './speech.ts'
import { withoutEnvelopes } from './speech.ts'
import type { CallFrame, Frame, ReceivedFrame, UnknownFrame } from './wire.ts'

/** So many ping intervals without a byte end a link. */
const SILENT_INTERVALS = 3
const QUIET_INTERVALS = 2
/** So many in which nothing has left of what waits for the peer, too. */
const STUCK_INTERVALS = 6

/** What this side did not understand, or would have said and the peer does not understand. */
export interface Dropped {
  readonly direction: 'received' | 'sent'
  readonly kind: UnknownFrame['kind']
  readonly name: string
}

/** What a link is made of. */
export interface LinkParts {
  readonly peer: PeerInfo
  /** The IP address at the other end. */
  readonly remote: string | undefined
  /** What the peer understands. */
  readonly speech: Speech
  readonly direction: 'inbound' | 'outbound'
  readonly control: ControlChannel
  readonly pieces: PieceChannel
  readonly dialled?: string | undefined
}

export interface LinkDeps {
  readonly events: SwarmEvents
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: SwarmLimits
  /** What is between the two swarms. */
  readonly upkeep: (link: Link, message: UpkeepMessage) => void
  /** The link is over; called once. The connection below is the owner's to close. */
  readonly ended: (link: Link, error: ShoalError) => void
  readonly callRefused: () => void
  /** What the peer says of where it can be dialled, as this host takes it. */
  readonly addressesOf: (announced: readonly string[]) => readonly string[]
  /** Something was dropped that one of the two sides does not understand. */
  readonly dropped: (dropped: Dropped) => void
}

/** A live link: dispatches what arrives, watches that something does, and ends as a whole. */
export class Link implements PeerLink, ControlReceiver {
  #peer: PeerInfo
  readonly direction: 'inbound' | 'outbound'
  readonly dialled: string | undefined
  /** By the clock, when it was linked. */
  readonly sinceMs: number
  readonly #deps: LinkDeps
  readonly remote: string | undefined
  readonly #speech: Speech
  readonly #control: ControlChannel
  readonly #pieces: PieceChannel
  readonly #client: CallClient
  readonly #server: CallServer
  #timer: Disposable | undefined
  #silentIntervals = 0
  #stuckIntervals = 0
  #ended = false

  constructor(parts: LinkParts, deps: LinkDeps) {
    this.#peer = parts.peer
    this.direction = parts.direction
    this.dialled = parts.dialled
    this.#deps = deps
    this.remote = parts.remote
    this.#speech = parts.speech
    this.#control = parts.control
    this.#pieces = parts.pieces
    this.sinceMs = deps.clock.now()
    const send = (frame: Frame): void => this.#control.send(frame)
    this.#client = new CallClient({ clock: deps.clock, send }, deps.limits)
    this.#server = new CallServer(
      {
        logger: deps.logger,
        send,
        room: this.#control,
        answer: (call, signal) => this.#answer(call, signal),
        refused: deps.callRefused,
      },
      deps.limits.maxCalls,
    )
  }

  get peer(): PeerInfo {
    return this.#peer
  }

  /** Whether nothing has come for two ping intervals: one may pass without, as the two sides' do not begin together. */
  get isQuiet(): boolean {
    return this.#silentIntervals >= QUIET_INTERVALS
  }

  /** Lets frames and pieces in. To be called once, when the owner knows the link. */
  start(): void {
    if (this.#ended) return
    this.#watch()
    this.#pieces.open({ failed: (error) => this.end(asShoalError(error)) })
    this.#control.setReceiver(this)
  }

  get silent(): boolean {
    return this.#silentIntervals > 0
  }

  speaks(name: Spoken): boolean {
    return this.#speech.has(name)
  }

  send(message: ControlMessage): void {
    if (this.#ended) return
    if (!this.speaks(message.type)) {
      this.#deps.dropped({ direction: 'sent', kind: 'message', name: message.type })
      return
    }
    try {
      this.#control.send({ frame: 'message', message: this.#readable(message) })
    } catch (error) {
      this.#deps.logger.error({ type: message.type, err: error }, 'a message was too large to send')
    }
  }

  call<N extends CallName>(name: N, args: CallArguments[N], signal: AbortSignal): Promise<CallResults[N]> {
    if (this.speaks(name)) return this.#client.call(name, args, signal)
    this.#deps.dropped({ direction: 'sent', kind: 'call', name })
    return Promise.resolve(unavailable('the peer does not know this question'))
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

  breach(problem: string): void {
    this.end(new ShoalError('PEER_PROTOCOL', problem))
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

  frame(frame: ReceivedFrame): void {
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
      case 'unknown':
        this.#passOver(frame)
        return
      case 'hello':
      case 'about':
      case 'moved':
        throw new ShoalError('PEER_PROTOCOL', 'a peer introduced itself twice')
    }
  }

  failed(error: ShoalError): void {
    this.end(error)
  }

  /** A later version may know it; whoever asked must not wait for nothing. */
  #passOver({ kind, name, id }: UnknownFrame): void {
    this.#deps.dropped({ direction: 'received', kind, name })
    if (id === undefined) return
    this.#control.send({ frame: 'answer', id, result: unavailable('this host does not know the question') })
  }

  #deliver(message: ControlMessage): void {
    if (message.type === 'addresses') {
      this.#peer = { ...this.#peer, addresses: this.#deps.addressesOf(message.addresses) }
      return
    }
    try {
      if (message.type === 'credential' || message.type === 'revocations') this.#deps.upkeep(this, message)
      else this.#deps.events.message(this, message)
    } catch (error) {
      // A fault of ours: it must not cost the peer its link.
      this.#deps.logger.error({ type: message.type, err: error }, 'a message handler failed')
    }
  }

  async #answer(call: CallFrame, signal: AbortSignal): Promise<CallResults[CallName]> {
    const result = await this.#deps.events.call(this, call.name, call.args, signal)
    if (result.kind !== 'swarm' || this.speaks('envelopes')) return result
    return { ...result, runs: withoutEnvelopes(result.runs) }
  }

  /** As the peer takes it: one of another version may be strict about what this one says. */
  #readable(message: ControlMessage): ControlMessage {
    if (message.type !== 'hashes' || this.speaks('envelopes')) return message
    return { ...message, runs: withoutEnvelopes(message.runs) }
  }

  #watch(): void {
    this.#timer = this.#deps.clock.after(this.#deps.limits.pingIntervalMs, () => {
      const { heard, spoke, stuck } = this.#control.takeActivity()
      // Counted in turns of this timer rather than by the clock: when this process itself was stopped, the peer is not
      // to blame, and its bytes are read before the next turn.
      this.#silentIntervals = this.#pieces.takeHeard() || heard ? 0 : this.#silentIntervals + 1
      if (this.#silentIntervals >= SILENT_INTERVALS) {
        this.end(new ShoalError('PEER_GONE', 'the peer has fallen silent'))
        return
      }
      const piecesStuck = this.#pieces.takeStuck()
      this.#stuckIntervals = stuck || piecesStuck ? this.#stuckIntervals + 1 : 0
      if (this.#stuckIntervals >= STUCK_INTERVALS) {
        this.end(unreadError())
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

import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Refusal } from '../base/outcome.ts'
import { refused } from '../base/outcome.ts'
import type { ControlChannel, ControlReceiver } from './control-channel.ts'
import { unreadError } from './control-channel.ts'
import type { PeerInfo, PeerLink, PieceSink, SwarmEvents } from './interface.ts'
import type { linkMessages } from './link-messages.ts'
import type { SwarmLimits } from './options.ts'
import type { PieceChannel } from './piece-channel.ts'
import type { Dispatcher, Message, Request, Response } from './registry.ts'
import { RequestClient } from './request-client.ts'
import { RequestServer } from './request-server.ts'
import type { Feature, Speech } from './speech.ts'
import type { Frame, MessageFrame, ReceivedFrame, UnknownFrame } from './wire.ts'

/** A link ends after this many ping intervals without a byte. */
const SILENT_INTERVALS = 3
const QUIET_INTERVALS = 2
/** It also ends after this many in which nothing of what waits for the peer has left. */
const STUCK_INTERVALS = 6

/** What this side did not understand, or would have said and the peer does not understand. */
export interface Dropped {
  readonly direction: 'received' | 'sent'
  readonly kind: UnknownFrame['kind']
  readonly name: string
}

/** What a link is made of. */
interface LinkParts {
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

interface LinkDeps {
  readonly events: SwarmEvents
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: SwarmLimits
  /** What is between the two swarms. */
  readonly upkeep: Dispatcher<typeof linkMessages, Link>
  /** The link is over; called once. The connection below is the owner's to close. */
  readonly ended: (link: Link, error: ShoalError) => void
  readonly requestRefused: () => void
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
  readonly #client: RequestClient
  readonly #server: RequestServer
  #timer: Disposable | undefined
  #silentIntervals = 0
  #heardBefore = 0
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
    this.#client = new RequestClient({ clock: deps.clock, send }, deps.limits)
    this.#server = new RequestServer(
      {
        logger: deps.logger,
        send,
        room: this.#control,
        answer: ({ name, args }, signal) => deps.events.request(this, name, args, signal),
        refused: deps.requestRefused,
      },
      deps.limits.maxRequests,
    )
  }

  get peer(): PeerInfo {
    return this.#peer
  }

  /** The peer can be dialled here from now on. */
  relocated(addresses: readonly string[]): void {
    this.#peer = { ...this.#peer, addresses }
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

  get heardTimes(): number {
    return this.#control.heardTimes + this.#pieces.heardTimes
  }

  get hasRoom(): boolean {
    return this.#control.mayWrite
  }

  speaks(what: Message | Request | Feature): boolean {
    return this.#speech.has(typeof what === 'string' ? what : what.name)
  }

  send<B>(message: Message<B>, body: B): void {
    if (this.#ended) return
    const { name } = message
    if (!this.#speech.has(name)) {
      this.#deps.dropped({ direction: 'sent', kind: 'message', name })
      return
    }
    try {
      this.#control.send({ frame: 'message', message, body })
    } catch (error) {
      this.#deps.logger.error({ type: name, err: error }, 'a message was too large to send')
    }
  }

  request<B, R extends Response>(request: Request<B, R>, body: B, signal: AbortSignal): Promise<R | Refusal> {
    if (this.speaks(request)) return this.#client.request(request, body, signal)
    this.#deps.dropped({ direction: 'sent', kind: 'call', name: request.name })
    return Promise.resolve(refused('unavailable', 'the peer does not know this request'))
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
        this.#deliver(frame)
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
    this.#control.send({ frame: 'answer', id, result: refused('unavailable', 'this host does not know the request') })
  }

  #deliver({ message: { name }, body }: MessageFrame): void {
    const { upkeep, events, logger } = this.#deps
    try {
      if (upkeep.has(name)) upkeep.message(this, name, body)
      else events.message(this, name, body)
    } catch (error) {
      // A fault of ours: it must not cost the peer its link.
      logger.error({ type: name, err: error }, 'a message handler failed')
    }
  }

  #watch(): void {
    this.#timer = this.#deps.clock.after(this.#deps.limits.pingIntervalMs, () => {
      const { spoke, stuck } = this.#control.takeActivity()
      const { heardTimes } = this
      // Counted in turns of this timer rather than by the clock: when this process itself was stopped, the peer is not
      // to blame, and its bytes are read before the next turn.
      this.#silentIntervals = heardTimes > this.#heardBefore ? 0 : this.#silentIntervals + 1
      this.#heardBefore = heardTimes
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

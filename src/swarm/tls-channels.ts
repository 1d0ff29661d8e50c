import type { Address } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { ControlChannel } from './control-channel.ts'
import type { FramedPieceChannel } from './framed-piece-channel.ts'
import type { SwarmMetrics } from './metrics.ts'
import type { PieceChannelKind } from './options.ts'
import { TlsPieceReader } from './tls-piece-reader.ts'
import { TlsPieceWriter } from './tls-piece-writer.ts'
import type { TlsServer } from './tls-server.ts'
import type { TlsTicket } from './tls-ticket.ts'
import type { TlsOffer } from './wire-types.ts'

/** Connecting must not take longer than this, over all places: the stream serves meanwhile, but it costs more. */
const CONNECT_MS = 10_000
const MAX_PLACES = 3

/** Both halves of what a handshake settled about TLS; none when either side does without. */
export interface TlsTerms {
  readonly server: TlsServer
  readonly ticket: TlsTicket
  readonly theirs: TlsOffer
}

interface TlsChannelsDeps {
  readonly pieces: FramedPieceChannel
  readonly control: ControlChannel
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: SwarmMetrics
}

interface TlsChannelsOptions {
  readonly kind: PieceChannelKind
  readonly terms: TlsTerms | undefined
  /** Where the peer can be reached, the likeliest first. */
  readonly places: readonly Address[]
  /** How many bytes the peer may send ahead. */
  readonly windowBytes: number
}

/**
 * Moves a link's pieces from its stream to TLS connections, each way for itself and only once there are pieces: the
 * side that wants them connects, and what it says goes by its connection too. What cannot be had is done without,
 * unless the kind is `tls`.
 */
export class TlsChannels implements Disposable {
  readonly #deps: TlsChannelsDeps
  readonly #options: TlsChannelsOptions
  readonly #ended = new AbortController()
  /** Uses from before the link was live: ending it would have told nobody. */
  #early: ('send' | 'expect')[] | undefined = []

  constructor(deps: TlsChannelsDeps, options: TlsChannelsOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** The link is live: the peer may connect. */
  start(): void {
    const { terms } = this.#options
    const { clock, control, pieces } = this.#deps
    terms?.ticket.claim(terms.theirs.certificate, (socket) => {
      pieces.sendThrough(new TlsPieceWriter(socket, { clock, control: control.continuation() }))
    })
    const early = this.#early ?? []
    this.#early = undefined
    for (const use of early) this.used(use)
  }

  used(use: 'send' | 'expect'): void {
    if (this.#early !== undefined) this.#early.push(use)
    else if (use === 'expect') this.#connect()
    else if (this.#options.kind === 'tls') this.#awaitPeer()
  }

  [Symbol.dispose](): void {
    this.#ended.abort(new ShoalError('PEER_GONE', 'the link has ended'))
    this.#options.terms?.ticket[Symbol.dispose]()
  }

  #connect(): void {
    const { kind, terms } = this.#options
    if (terms === undefined) {
      this.#deps.metrics.pieceChannel('stream', 'ok')
      if (kind === 'tls') this.#failed(new ShoalError('PEER_REFUSED', 'the peer offers no TLS'))
      return
    }
    // Cannot reject.
    void this.#tryPlaces(terms)
  }

  async #tryPlaces(terms: TlsTerms): Promise<void> {
    const places = this.#options.places.slice(0, MAX_PLACES)
    let problem: unknown = new ShoalError('PEER_GONE', 'the peer has no address that can be dialled')
    for (const place of places) {
      try {
        await this.#open(terms, place, CONNECT_MS / places.length)
        this.#deps.metrics.pieceChannel('tls', 'ok')
        return
      } catch (error) {
        problem = error
        if (this.#ended.signal.aborted) return
      }
    }
    this.#deps.metrics.pieceChannel('tls', isShoalError(problem, 'PEER_REFUSED') ? 'refused' : 'failed')
    this.#failed(problem)
  }

  /** Resolves when the peer has accepted the connection. */
  async #open({ server, theirs }: TlsTerms, place: Address, timeoutMs: number): Promise<void> {
    const attempt = new AbortController()
    using _timer = this.#deps.clock.after(timeoutMs, () =>
      attempt.abort(new ShoalError('PEER_GONE', `no TLS connection within ${timeoutMs} ms`)),
    )
    const signal = AbortSignal.any([this.#ended.signal, attempt.signal])
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let accepted = false
    const reader = new TlsPieceReader(this.#options.windowBytes, {
      opened: (uplink) => {
        accepted = true
        this.#deps.pieces.receiveFrom(reader)
        this.#deps.control.moveTo(uplink)
        resolve()
      },
      refused: () => reject(new ShoalError('PEER_REFUSED', 'the peer did not accept the TLS connection')),
    })
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.catch(() => {})
    try {
      await server.dial({ place, offer: theirs }, reader, signal)
      await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      if (!accepted) reader.close()
    }
  }

  /** It is the peer that connects; one that cannot, or will not, leaves us without a way to send. */
  #awaitPeer(): void {
    const { clock, pieces } = this.#deps
    const timer = clock.after(CONNECT_MS * 2, () => {
      if (!pieces.canSend) this.#failed(new ShoalError('PEER_GONE', 'the peer made no TLS connection'))
    })
    this.#ended.signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true })
  }

  #failed(error: unknown): void {
    const { logger, metrics, pieces } = this.#deps
    if (this.#options.kind === 'tls') {
      pieces.fail(error instanceof Error ? error : new Error(errorText(error)))
      return
    }
    metrics.pieceChannel('stream', 'fallback')
    logger.debug({ err: error }, 'pieces of a link stay on its stream')
  }
}

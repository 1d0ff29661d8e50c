import { abortError, runningLimit, sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Refusal } from '../base/outcome.ts'
import { isRefused } from '../base/outcome.ts'
import type { SourceLife } from '../base/patience.ts'
import { ASK_MS, AT_WORK_AFTER_MS, AT_WORK_MOST_MS, OVERLOADED_MS } from '../base/patience.ts'
import type { PeerLink, Request, Response } from '../swarm/index.ts'
import type { Suspicion } from './suspicion.ts'

/** How often a home that does not answer is looked at whether an answer is still to be expected. */
const LOOK_EVERY_MS = 250
/** Without a word for this many looks a cache is silent: one that lives says within less that it is at work. */
const SILENT_LOOKS = ASK_MS / LOOK_EVERY_MS
/** And with an open request for this many it is mute: it has said nothing about it, not even that. */
const MUTE_LOOKS = (AT_WORK_AFTER_MS + OVERLOADED_MS) / LOOK_EVERY_MS
/** Between two requests to a home that is at work on the answer: far less than it takes to say so. */
const LEAST_WAIT_MS = 1_000

/** What a home is asked. */
export interface HomeRequest<R extends Response> {
  /** Of the request, for the log. */
  readonly name: string
  readonly ask: (link: PeerLink, signal: AbortSignal) => Promise<R | Refusal>
}

/** The same body for whoever is asked. */
export function requestOf<B, R extends Response>(request: Request<B, R>, body: NoInfer<B>): HomeRequest<R> {
  return { name: request.name, ask: (link, signal) => link.request(request, body, signal) }
}

interface HomeRequestsDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly suspicion: Suspicion
}

/** A request under way. */
interface Ask {
  readonly about: string
  readonly link: PeerLink
  /** It has said that it is at work on the answer. */
  atWork: boolean
  /** And what it knows of the origin that it waits for. */
  source: SourceLife | undefined
  /** Looks at it since it was asked last. */
  looks: number
}

/** Asks homes, again while they are at work on the answer, and does not wait for those that have fallen silent. */
export class HomeRequests {
  readonly #deps: HomeRequestsDeps
  readonly #asks = new Set<Ask>()

  constructor(deps: HomeRequestsDeps) {
    this.#deps = deps
  }

  /** Undefined when the peer does not answer; one that is linked and slow is suspected, a silent one passed over. */
  async ask<R extends Response>(
    about: string,
    link: PeerLink,
    request: HomeRequest<R>,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<R | Refusal | undefined> {
    const { clock, logger, suspicion } = this.#deps
    const { key } = link.peer
    // a member that stands in for a cache may say so for nothing
    const believedUntil = clock.now() + (link.peer.role === 'cache' ? AT_WORK_MOST_MS : ASK_MS)
    const ask: Ask = { about, link, atWork: false, source: undefined, looks: 0 }
    this.#asks.add(ask)
    const silent = new AbortController()
    using _watch = this.#whenHopeless(ask, () => silent.abort(abortError('silent')))
    try {
      for (;;) {
        using late = runningLimit(clock, timeoutMs)
        const limit = AbortSignal.any([signal, silent.signal, late.signal])
        const askedAt = clock.now()
        ask.looks = 0
        const answer = await request.ask(link, limit)
        // what it says once it has been passed over would lead back to it
        if (suspicion.isPassedOver(key)) return undefined
        const refusal = isRefused(answer) ? answer : undefined
        ask.atWork = refusal?.atWork === true
        ask.source = refusal?.source
        if (!ask.atWork || clock.now() > believedUntil) return answer
        // a cache that says so without having waited is not asked without a pause
        await sleep(clock, Math.max(0, askedAt + LEAST_WAIT_MS - clock.now()), limit)
      }
    } catch (error) {
      signal.throwIfAborted()
      logger.warn({ peer: key, request: request.name, err: error }, 'a home does not answer')
      if (link.silent || silent.signal.aborted) suspicion.passOver(key)
      else if (!isShoalError(error, 'PEER_GONE')) suspicion.suspect(key)
      return undefined
    } finally {
      this.#asks.delete(ask)
    }
  }

  /**
   * Whether a home that lives has been asked about `key` and has not come to say anything yet. `overloaded`: this host may
   * itself not have come to read what it said.
   */
  isBusy(key: string, overloaded: boolean): boolean {
    for (const { about, link, atWork } of this.#asks) {
      if (about === key && !link.silent && (overloaded || !atWork)) return true
    }
    return false
  }

  /** Whether a home leaves a question about `key` without a word for longer than it takes to say that it is at work. */
  isMute(key: string, home: PeerLink): boolean {
    for (const { about, link, looks } of this.#asks)
      if (about === key && link === home && looks >= MUTE_LOOKS) return true
    return false
  }

  /** What a home that is at work on an answer about `key` has said lately of the origin that it waits for. */
  lifeOf(key: string): SourceLife | undefined {
    for (const { about, link, atWork, source } of this.#asks)
      if (about === key && atWork && !link.silent) return source ?? 'lives'
    return undefined
  }

  /**
   * Calls `then` when no answer is to be expected any more: nothing at all has come over the link for as long as a home may be
   * without a word, or its peer has been passed over meanwhile. Where one request shows that a full uplink lets nothing
   * through, the others that are under way must not each find out for themselves.
   */
  #whenHopeless(ask: Ask, then: () => void): Disposable {
    const { clock, suspicion } = this.#deps
    const { link } = ask
    let { heardTimes } = link
    // in turns, not by the clock: when this process itself was stopped, the home is not to blame
    let looks = 0
    let timer = clock.after(LOOK_EVERY_MS, look)
    function look(): void {
      ask.looks++
      looks = link.heardTimes === heardTimes ? looks + 1 : 0
      heardTimes = link.heardTimes
      if (looks >= SILENT_LOOKS || suspicion.isPassedOver(link.peer.key)) then()
      else timer = clock.after(LOOK_EVERY_MS, look)
    }
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() }
  }
}

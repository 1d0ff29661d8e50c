import type { Clock } from '../base/clock.ts'
import { errorText, isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { ASK_MS, AT_WORK_MOST_MS } from '../base/patience.ts'
import type { CallArguments, CallName, CallResults, PeerLink } from '../swarm/index.ts'
import type { Suspicion } from './suspicion.ts'

/** How often a home that does not answer is looked at whether it has fallen silent. */
const SILENCE_EVERY_MS = 1_000

/** A question to a home, by the name of its call. */
export interface Question<N extends CallName> {
  readonly name: N
  readonly args: CallArguments[N]
}

export interface QuestionsDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly suspicion: Suspicion
}

/** A question under way. */
interface Ask {
  readonly about: string
  readonly link: PeerLink
  /** It has said that it is at work on the answer. */
  atWork: boolean
}

/** Asks homes, again while they are at work on the answer, and does not wait for those that have fallen silent. */
export class Questions {
  readonly #deps: QuestionsDeps
  readonly #asks = new Set<Ask>()

  constructor(deps: QuestionsDeps) {
    this.#deps = deps
  }

  /** Undefined when the peer does not answer; one that is linked and slow is suspected, a silent one passed over. */
  async ask<N extends CallName>(
    about: string,
    link: PeerLink,
    question: Question<N>,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<CallResults[N] | undefined> {
    const { clock, logger, suspicion } = this.#deps
    const { key } = link.peer
    const believedUntil = clock.now() + AT_WORK_MOST_MS
    const ask: Ask = { about, link, atWork: false }
    this.#asks.add(ask)
    const silent = new AbortController()
    using _watch = this.#whenSilent(link, () => silent.abort(new DOMException('silent', 'AbortError')))
    try {
      for (;;) {
        const limit = AbortSignal.any([signal, silent.signal, AbortSignal.timeout(timeoutMs)])
        const answer: CallResults[N] = await link.call(question.name, question.args, limit)
        ask.atWork = answer.kind === 'refused' && answer.atWork === true
        if (!ask.atWork || clock.now() > believedUntil) return answer
      }
    } catch (error) {
      signal.throwIfAborted()
      logger.warn({ peer: key, call: question.name, err: errorText(error) }, 'a home does not answer')
      if (link.silent) suspicion.passOver(key)
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

  /** Calls `then` when nothing at all has come over a link for so long that no answer is to be expected of it. */
  #whenSilent(link: PeerLink, then: () => void): Disposable {
    const { clock } = this.#deps
    let timer = clock.after(ASK_MS, look)
    function look(): void {
      if (link.silent) then()
      else timer = clock.after(SILENCE_EVERY_MS, look)
    }
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() }
  }
}

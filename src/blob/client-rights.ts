import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Outcome, Refusal } from '../base/outcome.ts'
import { isRefused, refusalOf } from '../base/outcome.ts'

/** A client's proof that opened a repository opens it again this long without asking; tokens live about as long. */
const PROVEN_MS = 60_000
/** One that was refused is refused for this long: runtimes bring it again with every request of a pull. */
const REFUSED_MS = 10_000
const MAX_ANSWERS = 10_000

/** A repository, and what its client proves itself with; empty for nothing. */
interface ClientAsk {
  readonly upstream: string
  readonly repository: string
  readonly authorization: string
}

/** An upstream's challenge as a whole, if it has one. */
type Challenge = (upstream: string, signal: AbortSignal) => Promise<string | undefined>

/** What origins have lately said of clients' own proofs (`access: passthrough`). Proofs are kept as hashes only. */
export class ClientRights {
  readonly #proven: ExpiringMap<true>
  readonly #refused: ExpiringMap<Refusal>
  readonly #challenge: Challenge

  constructor(clock: Pick<Clock, 'now'>, challenge: Challenge) {
    this.#challenge = challenge
    this.#proven = new ExpiringMap(clock, MAX_ANSWERS)
    this.#refused = new ExpiringMap(clock, MAX_ANSWERS)
  }

  /**
   * Asks in a client's own name. What the origin says of it holds for a while, yes and no: runtimes ask for every part of
   * an image with the same proof.
   */
  async ask<R extends ClientAsk, T>(
    asked: R,
    inClients: (asked: R, isProven: boolean) => Promise<Outcome<T>>,
    signal: AbortSignal,
  ): Promise<Outcome<T>> {
    const key = keyOf(asked)
    const lately = this.#refused.get(key)
    if (lately !== undefined) return lately
    const outcome = await inClients(asked, this.#proven.get(key) === true)
    if (isRefused(outcome)) return this.relay(outcome, asked, signal)
    this.#refused.delete(key)
    this.#proven.set(key, true, PROVEN_MS)
    return outcome
  }

  /**
   * A passthrough upstream's "no" becomes its challenge, so that the client can prove itself: that of the very request,
   * which names the scope it takes; to a guest who was told none, that of the whole registry.
   */
  async relay(refusal: Refusal, asked: ClientAsk, signal: AbortSignal): Promise<Refusal> {
    if (refusal.reason !== 'denied') return refusal
    try {
      const isGuest = asked.authorization === ''
      const challenge = refusal.challenge ?? (isGuest ? await this.#challenge(asked.upstream, signal) : undefined)
      const told: Refusal = challenge === undefined ? refusal : { ...refusal, challenge }
      const key = keyOf(asked)
      this.#proven.delete(key)
      this.#refused.set(key, told, REFUSED_MS)
      return told
    } catch (error) {
      signal.throwIfAborted()
      return refusalOf(error)
    }
  }
}

function keyOf({ upstream, repository, authorization }: ClientAsk): string {
  return `${upstream}/${repository} ${proofDigest(authorization)}`
}

/** What stands for a proof wherever it is only compared. */
function proofDigest(authorization: string): string {
  return createHash('sha256').update(authorization).digest('base64')
}

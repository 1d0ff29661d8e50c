import type { Clock } from '../base/clock.ts'

/** A host that was told to begin, or should be, and is not there for this long has failed, until it is. */
const GONE_MS = 180_000
/** A host that is there, was told this often and has never said a word of the job: it will not. */
const DEAF_TELLS = 3
const DEAF_MS = 45_000
/** A host that owes a word for this long does not hold the place of one at work. */
const OVERDUE_MS = 15_000

interface LivenessOptions {
  /** Default GONE_MS. */
  readonly goneMs?: number | undefined
}

export type LivenessVerdict = 'not reachable' | 'does not answer'

interface Unheard {
  /** Since when it should have spoken. */
  readonly since: number
  readonly tells: number
}

/**
 * Hosts that owe a word, and since when. Only a word of their own ends that, not a new link: else a host that comes and
 * goes could keep a job open for ever.
 */
export class Liveness {
  readonly #clock: Pick<Clock, 'now'>
  readonly #goneMs: number
  readonly #hosts = new Map<string, Unheard>()

  constructor(clock: Pick<Clock, 'now'>, { goneMs = GONE_MS }: LivenessOptions = {}) {
    this.#clock = clock
    this.#goneMs = goneMs
  }

  /** A host has been told what to do. */
  told(key: string): void {
    const { since, tells } = this.#unheard(key)
    this.#hosts.set(key, { since, tells: tells + 1 })
  }

  /** A host that should be told is not linked. */
  missed(key: string): void {
    this.#hosts.set(key, this.#unheard(key))
  }

  spoke(key: string): void {
    this.#hosts.delete(key)
  }

  /** Whether a host has owed a word for longer than one at work ever does. */
  isOverdue(key: string): boolean {
    const unheard = this.#hosts.get(key)
    return unheard !== undefined && this.#clock.now() - unheard.since >= OVERDUE_MS
  }

  /** What is to be said of a host that has not spoken; `hasSpoken`: it has before, of this job. */
  verdict(key: string, isLinked: boolean, hasSpoken: boolean): LivenessVerdict | undefined {
    const unheard = this.#hosts.get(key)
    if (unheard === undefined) return undefined
    const silentMs = this.#clock.now() - unheard.since
    if (!isLinked) return silentMs >= this.#goneMs ? 'not reachable' : undefined
    const isDeaf = unheard.tells >= DEAF_TELLS && silentMs >= (hasSpoken ? this.#goneMs : DEAF_MS)
    return isDeaf ? 'does not answer' : undefined
  }

  #unheard(key: string): Unheard {
    return this.#hosts.get(key) ?? { since: this.#clock.now(), tells: 0 }
  }
}

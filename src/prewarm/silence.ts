import type { Clock } from '../base/clock.ts'

/** A host that was told to begin, or should be, and is not there for so long has failed, until it is. */
const GONE_MS = 180_000
/** A host that is there, was told so often and has never said a word of the job: it will not. */
const DEAF_TELLS = 3
const DEAF_MS = 45_000

export interface SilenceOptions {
  /** Default GONE_MS. */
  readonly goneMs?: number | undefined
}

interface Unheard {
  /** Since when it should have spoken. */
  readonly since: number
  readonly tells: number
}

/**
 * Hosts that owe a word, and since when. Only a word of their own ends that, not a new link: else a host that comes and
 * goes could keep a job open for ever.
 */
export class Silence {
  readonly #clock: Pick<Clock, 'now'>
  readonly #goneMs: number
  readonly #hosts = new Map<string, Unheard>()

  constructor(clock: Pick<Clock, 'now'>, { goneMs = GONE_MS }: SilenceOptions = {}) {
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

  /** What is to be said of a host that has not spoken; `hasSpoken`: it has before, of this job. */
  verdict(key: string, isLinked: boolean, hasSpoken: boolean): 'not reachable' | 'does not answer' | undefined {
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

import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Digest } from '../oci/digest.ts'
import type { Origin } from './interface.ts'

const FIRST_REST_MS = 2_000
const MAX_REST_MS = 30_000
const DISTRUST_MS = 600_000
/** The first wrong answer may be an accident: where there is no other origin it is asked again at once, then ever later. */
const ASK_AGAIN_FIRST_MS = 2_000
const MAX_DISTRUSTED = 4096
/** A proxy that ignores Range for what it does not have yet takes it for what it has: only time makes it believed again. */
const IGNORED_RANGE_MS = 3_600_000

interface Rest {
  readonly restMs: number
  readonly until: number
}

interface Distrust {
  readonly wrongAnswers: number
  readonly askAgainAt: number
}

/** What is remembered of the origins of one upstream: which are resting after a failure, which served wrong bytes. */
export class OriginHealth {
  readonly #clock: Clock
  /** One entry per configured origin at most. */
  readonly #resting = new Map<Origin, Rest>()
  readonly #distrusted: ExpiringMap<Distrust>
  /** Origins that have answered a range: until when they are not believed to do so again. */
  readonly #ranges = new Map<Origin, number>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#distrusted = new ExpiringMap(clock, MAX_DISTRUSTED)
  }

  /**
   * The origins to ask, in order: those that rest after a failure come last, as a last resort. The first caller after
   * a rest finds the origin in its place again, as a probe; the others go on avoiding it until that one succeeds.
   */
  order(origins: readonly Origin[]): readonly Origin[] {
    const now = this.#clock.now()
    const resting = origins.filter((origin) => {
      const rest = this.#resting.get(origin)
      if (rest === undefined) return false
      if (rest.until > now) return true
      this.#resting.set(origin, { ...rest, until: now + rest.restMs })
      return false
    })
    return [...origins.filter((origin) => !resting.includes(origin)), ...resting]
  }

  succeeded(origin: Origin): void {
    this.#resting.delete(origin)
  }

  /** Only failures of the origin as a whole make it rest, not those of one repository or object. */
  failed(origin: Origin, error: unknown): void {
    if (!isShoalError(error, 'ORIGIN_UNREACHABLE', 'ORIGIN_THROTTLED')) return
    const before = this.#resting.get(origin)
    const asked = error.details.retryAfterMs
    const restMs = Math.min(
      typeof asked === 'number' && asked > 0 ? asked : before === undefined ? FIRST_REST_MS : before.restMs * 2,
      MAX_REST_MS,
    )
    this.#resting.set(origin, { restMs, until: this.#clock.now() + restMs })
  }

  /** The origin that would be asked first. */
  first(origins: readonly Origin[]): Origin | undefined {
    const now = this.#clock.now()
    return origins.find((origin) => (this.#resting.get(origin)?.until ?? 0) <= now) ?? origins[0]
  }

  /** An origin was asked for a range and has sent that, or everything. */
  answeredRange(origin: Origin, asAsked: boolean): void {
    const until = this.#ranges.get(origin) ?? Number.NEGATIVE_INFINITY
    this.#ranges.set(origin, asAsked ? until : this.#clock.now() + IGNORED_RANGE_MS)
  }

  takesRanges(origin: Origin): boolean {
    return (this.#ranges.get(origin) ?? Number.POSITIVE_INFINITY) <= this.#clock.now()
  }

  distrust(label: string, digest: Digest): void {
    const key = `${label} ${digest}`
    const wrongAnswers = (this.#distrusted.get(key)?.wrongAnswers ?? 0) + 1
    const waitMs = wrongAnswers === 1 ? 0 : Math.min(DISTRUST_MS, ASK_AGAIN_FIRST_MS * 2 ** (wrongAnswers - 2))
    this.#distrusted.set(key, { wrongAnswers, askAgainAt: this.#clock.now() + waitMs }, DISTRUST_MS)
  }

  trusts(origin: Origin, digest: Digest): boolean {
    return this.#distrusted.get(`${origin.label} ${digest}`) === undefined
  }

  /** Whether it may be asked although it has served wrong bytes, because no other is left. */
  mayAskAgain(origin: Origin, digest: Digest): boolean {
    return (this.#distrusted.get(`${origin.label} ${digest}`)?.askAgainAt ?? 0) <= this.#clock.now()
  }
}

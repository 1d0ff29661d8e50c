import type { Clock } from '../base/clock.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
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

/** What an origin may refuse and give separately: a limit on manifests is none on blobs. */
export type OriginLoad = 'names' | 'blobs'

/** No origin has itself left alone for longer with Retry-After: it may have been mended. */
const LEFT_ALONE_MOST_MS = 60_000

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
  /** `label kind` -> until when an origin has asked to be left alone. Two entries per configured origin at most. */
  readonly #leftAlone = new Map<string, number>()
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
  failed(origin: Origin, error: unknown, load: OriginLoad): void {
    this.#noteRetryAfter(origin, error, load)
    if (!isShoalError(error, 'ORIGIN_UNREACHABLE', 'ORIGIN_THROTTLED')) return
    const asked = error.details.retryAfterMs
    this.#rest(origin, typeof asked === 'number' && asked > 0 ? asked : undefined)
  }

  /** It had no answer yet when another one had. */
  outrun(origin: Origin): void {
    this.#rest(origin, undefined)
  }

  #rest(origin: Origin, askedMs: number | undefined): void {
    const before = this.#resting.get(origin)
    const restMs = Math.min(askedMs ?? (before === undefined ? FIRST_REST_MS : before.restMs * 2), MAX_REST_MS)
    this.#resting.set(origin, { restMs, until: this.#clock.now() + restMs })
  }

  /** Throws `ORIGIN_THROTTLED` while an origin has asked to be left alone. */
  leftAlone(origin: Origin, load: OriginLoad): void {
    const waitMs = (this.#leftAlone.get(`${origin.label} ${load}`) ?? 0) - this.#clock.now()
    if (waitMs <= 0) return
    const details = { retryAfterMs: waitMs, leftAlone: true }
    const seconds = Math.ceil(waitMs / 1000)
    throw new ShoalError('ORIGIN_THROTTLED', `${origin.label} is left alone for ${seconds} s, as it asked`, { details })
  }

  #noteRetryAfter(origin: Origin, error: unknown, load: OriginLoad): void {
    const asked = isShoalError(error, 'ORIGIN_THROTTLED') ? error.details.retryAfterMs : undefined
    if (typeof asked !== 'number' || asked <= 0) return
    this.#leftAlone.set(`${origin.label} ${load}`, this.#clock.now() + Math.min(asked, LEFT_ALONE_MOST_MS))
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

  /** Whether it has sent everything where a range was asked for. */
  ignoresRanges(origin: Origin): boolean {
    return (this.#ranges.get(origin) ?? 0) > this.#clock.now()
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

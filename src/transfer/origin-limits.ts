import type { RateLimiter } from '../base/rate-limiter.ts'
import type { Digest } from '../oci/digest.ts'
import { isBackground } from '../scheduler/index.ts'
import type { Actives } from './actives.ts'

interface HostLimits {
  readonly origin: RateLimiter
  readonly download: RateLimiter
}

/** What holds for reading blobs from their origins, blob by blob. */
export class OriginLimits {
  /** What a job allows itself for a blob that nobody waits for. */
  jobPace: ((digest: Digest) => RateLimiter | undefined) | undefined
  readonly #host: HostLimits
  readonly #actives: Actives

  constructor(host: HostLimits, actives: Actives) {
    this.#host = host
    this.#actives = actives
  }

  /** The limits of a blob now. A job's rate is no pull's, also for a blob that both want. */
  of(digest: Digest): readonly RateLimiter[] {
    const { origin, download } = this.#host
    const pace = isBackground(this.#actives.find(digest)?.order ?? 0) ? this.jobPace?.(digest) : undefined
    return pace === undefined ? [origin, download] : [pace, origin, download]
  }

  /** The lowest of them in bytes per second, 0 for none. */
  lowest(digest: Digest): number {
    const rates = this.of(digest)
      .map(({ bytesPerSec }) => bytesPerSec)
      .filter((rate) => rate > 0)
    return rates.length === 0 ? 0 : Math.min(...rates)
  }
}

import { systemClock } from '../base/clock.ts'
import { RateLimiter } from '../base/rate-limiter.ts'
import type { Config } from '../config/index.ts'
import type { Limiters } from './node-status.ts'

/** What the configuration allows this host to move, a bucket for each kind. */
export function limitersOf({ limits }: Config): Limiters {
  return {
    upload: new RateLimiter(systemClock, limits.upload),
    download: new RateLimiter(systemClock, limits.download),
    origin: new RateLimiter(systemClock, limits.origin),
    prewarm: new RateLimiter(systemClock, limits.prewarm),
  }
}

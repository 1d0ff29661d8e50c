import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { RateLimiter } from '../base/rate-limiter.ts'
import type { Tracer } from '../base/tracing.ts'
import type { OriginChain } from '../origin/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { TransferRef } from './transfer.ts'

/** What transfers stand on. */
export interface TransferDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly store: BlobStore
  readonly swarm: Swarm
  readonly tier: Tier
  /** The origins of an upstream; undefined for one that is not configured. */
  readonly origins: (upstream: string) => OriginChain | undefined
  /** The tier, or an origin itself, has just given this content to the repository that `ref` names. */
  readonly confirmed?: ((ref: TransferRef, size: number) => void) | undefined
  /** The most ranges read from origins at the same time; default as the scheduler has it. */
  readonly mostOriginRanges?: number | undefined
  readonly limits: { readonly upload: RateLimiter; readonly download: RateLimiter; readonly origin: RateLimiter }
  /** Default: nothing is timed. */
  readonly tracer?: Tracer | undefined
}

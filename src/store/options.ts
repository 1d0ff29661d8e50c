import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { StoreBounds } from './interface.ts'

/** Eviction starts when blobs would take more than this share of the capacity: the rest absorbs what pulls add meanwhile. */
export const HIGH_MARK = 0.95
/** Eviction goes on down to this share, so that a full store evicts once in a while in bulk, not a little on every pull. */
export const LOW_MARK = 0.85
/**
 * A last use is written to the index only when it is this much newer than the one there: a hot blob costs a row a
 * minute, and a crash mixes up the eviction order by no more than that.
 */
export const LAST_USE_GRANULARITY_MS = 60_000
/** How often a store that refuses writes looks whether there is space again: soon for an operator, rare for the disk. */
export const ALARM_RECHECK_MS = 5_000

/** Blobs held in memory while the disk takes none: a cache has more to hold. */
export const DEFAULT_MEMORY_BYTES = 64 * 1024 * 1024

export interface StoreOptions extends StoreBounds {
  /** The store's directory; made when absent. */
  readonly path: string
  /** The most that blobs may take in memory while the disk takes none. Default `DEFAULT_MEMORY_BYTES`. */
  readonly memoryBytes?: number | undefined
}

export interface StoreDeps {
  readonly logger: Logger
  readonly metrics: MetricRegistry
  /** Paces the alarm's re-check. Default: the process's clock. */
  readonly clock?: Clock | undefined
}

import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { ORIGIN_HEADERS_MS } from '../base/patience.ts'
import type { OriginMetrics } from './metrics.ts'

/** What every origin needs from its process. `metrics` are those of its upstream. */
export interface OriginDeps {
  readonly logger: Logger
  readonly metrics: OriginMetrics
  readonly clock: Clock
  /** Shoal's version, for User-Agent. */
  readonly version?: string | undefined
  /** What this host calls itself to other Shoals (base/mirror-hops.ts). Default: a name of its own. */
  readonly hopName?: string | undefined
}

/** Limits of the network origins. */
export interface OriginOptions {
  /** A body that brings no byte for this long is given up. Time spent waiting for the reader does not count. */
  readonly stallMs: number
  readonly connectTimeoutMs: number
  /** From the request to the response's headers. */
  readonly headersTimeoutMs: number
  /** Connections kept to one host. */
  readonly maxSockets: number
  /** How much is read and thrown away to reach a range at a server that ignores Range; beyond it the read fails. */
  readonly maxSkipBytes: number
}

export const DEFAULT_ORIGIN_OPTIONS: OriginOptions = {
  stallMs: 15_000,
  connectTimeoutMs: 5_000,
  headersTimeoutMs: ORIGIN_HEADERS_MS,
  maxSockets: 64,
  maxSkipBytes: 256 * 1024 * 1024,
}

import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { OriginMetrics } from './metrics.ts'

/** What every origin needs from its process. `metrics` is made once per process and shared by all origins. */
export interface OriginDeps {
  readonly logger: Logger
  readonly metrics: OriginMetrics
  readonly clock: Clock
  /** Shoal's version, for User-Agent. */
  readonly version?: string | undefined
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
  headersTimeoutMs: 15_000,
  maxSockets: 64,
  maxSkipBytes: 256 * 1024 * 1024,
}

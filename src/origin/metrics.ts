import type { MetricRegistry } from '../base/metrics.ts'

const KINDS = ['tag', 'manifest', 'blob', 'stat'] as const
const RESULTS = ['ok', 'unknown', 'denied', 'throttled', 'failed', 'unchanged'] as const

export type OriginRequestKind = (typeof KINDS)[number]
export type OriginResult = (typeof RESULTS)[number]

/** What is counted of the origins of one upstream. */
export interface OriginMetrics {
  /** One operation that has ended, after this many seconds. */
  ended(kind: OriginRequestKind, result: OriginResult, seconds: number): void
}

const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** `upstream` is its name in the configuration: never one that a request has made up. */
export function createOriginMetrics(registry: MetricRegistry, upstream: string): OriginMetrics {
  const requests = registry.counter('shoal_origin_requests_total', 'Operations asked of origins, by outcome', {
    upstream: [upstream],
    kind: KINDS,
    result: RESULTS,
  })
  const seconds = registry.histogram(
    'shoal_origin_seconds',
    'How long origins took; for blobs until the last byte of the range',
    { upstream: [upstream], kind: KINDS },
    SECONDS_BUCKETS,
  )
  return {
    ended(kind, result, took) {
      requests.inc({ upstream, kind, result })
      seconds.observe({ upstream, kind }, took)
    },
  }
}

import type { Counter, Histogram, MetricRegistry } from '../base/metrics.ts'

export type OriginRequestKind = 'tag' | 'manifest' | 'blob' | 'stat'
export type OriginResult = 'ok' | 'unknown' | 'denied' | 'throttled' | 'failed' | 'unchanged'

export interface OriginMetrics {
  readonly requests: Counter<'kind' | 'result'>
  readonly seconds: Histogram<'kind'>
}

const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** Declares the origins' metrics. Call it once per registry of metrics: names are registered once. */
export function createOriginMetrics(registry: MetricRegistry): OriginMetrics {
  return {
    requests: registry.counter('shoal_origin_requests_total', 'Operations asked of origins, by outcome', [
      'kind',
      'result',
    ]),
    seconds: registry.histogram(
      'shoal_origin_seconds',
      'How long origins took; for blobs until the last byte of the range',
      ['kind'],
      SECONDS_BUCKETS,
    ),
  }
}

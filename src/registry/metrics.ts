import type { Counter, Histogram, MetricRegistry } from '../base/metrics.ts'

export interface MirrorMetrics {
  readonly requests: Counter<'route' | 'method' | 'status'>
  readonly firstByteSeconds: Histogram<never>
  readonly requestSeconds: Histogram<never>
}

export function mirrorMetrics(registry: MetricRegistry): MirrorMetrics {
  return {
    requests: registry.counter(
      'shoal_mirror_requests_total',
      'Requests at the mirror door by route, method and status; status "cut" for a body ended early, "gone" for a client that left before its headers.',
      ['route', 'method', 'status'],
    ),
    firstByteSeconds: registry.histogram(
      'shoal_mirror_first_byte_seconds',
      'Time from a blob request to the first byte of its body.',
      [],
      [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    ),
    requestSeconds: registry.histogram(
      'shoal_mirror_request_seconds',
      'Time from a request at the mirror door to the end of its response.',
      [],
      [0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900],
    ),
  }
}

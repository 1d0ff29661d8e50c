import type { Counter, Histogram, MetricRegistry, NoLabels } from '../base/metrics.ts'
import type { RouteLabel } from './pull-api.ts'

const ROUTES = [
  'base',
  'token',
  'manifests',
  'blobs',
  'tags',
  'referrers',
  'other',
] as const satisfies readonly RouteLabel[]
const METHODS = ['GET', 'HEAD', 'other'] as const
/** What the mirror answers; a status that is not here is counted, too, from its first time on. */
const STATUSES = [
  '200',
  '206',
  '304',
  '400',
  '401',
  '403',
  '404',
  '405',
  '412',
  '416',
  '503',
  'cut',
  'left',
  'gone',
] as const

type Method = (typeof METHODS)[number]

export interface MirrorMetrics {
  readonly requests: Counter<{ route: RouteLabel; method: Method; status: string }>
  readonly firstByteSeconds: Histogram<NoLabels>
  readonly requestSeconds: Histogram<NoLabels>
}

export function mirrorMetrics(registry: MetricRegistry): MirrorMetrics {
  return {
    requests: registry.counter(
      'shoal_mirror_requests_total',
      'Requests at the mirror server by route, method and status; status "cut" for a body that the mirror had to end early, "left" for one that its client did not read to the end (but of an open-ended range, of which it may want no more), "gone" for a client that left before its headers.',
      { route: ROUTES, method: METHODS, status: STATUSES },
    ),
    firstByteSeconds: registry.histogram(
      'shoal_mirror_first_byte_seconds',
      'Time from a blob request to the first byte of its body.',
      {},
      [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    ),
    requestSeconds: registry.histogram(
      'shoal_mirror_request_seconds',
      'Time from a request at the mirror server to the end of its response.',
      {},
      [0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900],
    ),
  }
}

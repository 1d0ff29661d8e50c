import type { LogSource, MetricsText } from '../admin/index.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { Tracer } from '../base/tracing.ts'
import type { BlobStore } from '../store/index.ts'

/** What a process gives the host that runs in it. */
export interface NodeDeps {
  readonly logger: Logger
  readonly registry: MetricRegistry & MetricsText
  /** The level of `logger`. */
  readonly logs: LogSource
  /** Default: the process's own. */
  readonly clock?: Clock | undefined
  /** Default: the one on disk that the configuration names. */
  readonly store?: BlobStore | undefined
  /** Default: nothing is timed. */
  readonly tracer?: Tracer | undefined
  /** Sockets that listen already, by name: `mirror`. */
  readonly sockets?: ReadonlyMap<string, number> | undefined
}

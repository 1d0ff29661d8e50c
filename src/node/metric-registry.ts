import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type {
  Counter as BaseCounter,
  Gauge as BaseGauge,
  Histogram as BaseHistogram,
  LabelValues,
  MetricRegistry,
} from '../base/metrics.ts'

type Collect = () => void

/**
 * Metrics behind prom-client, in a registry of their own. Declaring a metric again with the same kind and labels
 * answers the one that is there: rooms share counters by name.
 */
export class PrometheusRegistry implements MetricRegistry {
  readonly #registry = new Registry()
  /** By metric name; used to tell a shared declaration from a clash. */
  readonly #shapes = new Map<string, string>()
  readonly #collects = new Map<string, Collect[]>()

  /** The media type of `text()`, for the scrape's answer. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** Adds the process's own metrics: CPU, memory, handles, event-loop lag, garbage collection. Call once. */
  collectProcessMetrics(): void {
    collectDefaultMetrics({ register: this.#registry })
  }

  /** All metrics in the Prometheus text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  counter<L extends string>(name: string, help: string, labels: readonly L[]): BaseCounter<L> {
    const existing = this.#existing(name, 'counter', labels)
    const counter =
      existing instanceof Counter
        ? existing
        : new Counter({ name, help, labelNames: labels, registers: [this.#registry] })
    return { inc: (values, by = 1) => counter.inc(plain(values), by) }
  }

  gauge<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
    collect?: (gauge: BaseGauge<L>) => void,
  ): BaseGauge<L> {
    const existing = this.#existing(name, 'gauge', labels)
    const collects = this.#collects.get(name) ?? []
    this.#collects.set(name, collects)
    const gauge =
      existing instanceof Gauge
        ? existing
        : new Gauge({
            name,
            help,
            labelNames: labels,
            registers: [this.#registry],
            collect: () => {
              for (const run of collects) run()
            },
          })
    const face: BaseGauge<L> = { set: (values, value) => gauge.set(plain(values), value) }
    if (collect !== undefined) collects.push(() => collect(face))
    return face
  }

  histogram<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
    buckets: readonly number[],
  ): BaseHistogram<L> {
    const existing = this.#existing(name, 'histogram', labels)
    const histogram =
      existing instanceof Histogram
        ? existing
        : new Histogram({ name, help, labelNames: labels, buckets: [...buckets], registers: [this.#registry] })
    return { observe: (values, value) => histogram.observe(plain(values), value) }
  }

  /** The metric of this name, if it was declared before. Throws when it was declared as something else. */
  #existing(name: string, kind: string, labels: readonly string[]): unknown {
    const shape = `${kind} {${[...labels].sort().join(',')}}`
    const known = this.#shapes.get(name)
    if (known !== undefined && known !== shape)
      throw new Error(`metric ${name} is declared as ${known} and as ${shape}`)
    this.#shapes.set(name, shape)
    return this.#registry.getSingleMetric(name)
  }
}

/** prom-client's label type is mutable; the values are only read. */
function plain<L extends string>(values: LabelValues<L>): Record<L, string> {
  return { ...values }
}

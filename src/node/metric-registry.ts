import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type {
  Counter as BaseCounter,
  Gauge as BaseGauge,
  Histogram as BaseHistogram,
  LabelSets,
  Labels,
  LabelValues,
  MetricRegistry,
} from '../base/metrics.ts'
import { collectProcessMetrics } from './process-metrics.ts'

type Collect = () => void

/**
 * Metrics behind prom-client, in a registry of their own. Declaring a metric again with the same kind and labels
 * returns the one that is there: rooms share counters by name.
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

  /** Adds the process's own metrics. Call once. */
  collectProcessMetrics(): void {
    collectProcessMetrics(this.#registry)
  }

  /** All metrics in the Prometheus text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  counter<V extends Labels>(name: string, help: string, values: LabelSets<V>): BaseCounter<V> {
    const labels = Object.keys(values)
    const existing = this.#existing(name, 'counter', labels)
    const counter =
      existing instanceof Counter
        ? existing
        : new Counter({ name, help, labelNames: labels, registers: [this.#registry] })
    for (const combination of combinations(values)) counter.inc(combination, 0)
    return { inc: (given, by = 1) => counter.inc(given, by) }
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

  histogram<V extends Labels>(
    name: string,
    help: string,
    values: LabelSets<V>,
    buckets: readonly number[],
  ): BaseHistogram<V> {
    const labels = Object.keys(values)
    const existing = this.#existing(name, 'histogram', labels)
    const histogram =
      existing instanceof Histogram
        ? existing
        : new Histogram({ name, help, labelNames: labels, buckets: [...buckets], registers: [this.#registry] })
    for (const combination of combinations(values)) histogram.zero(combination)
    return { observe: (given, value) => histogram.observe(given, value) }
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

/** Every choice of one value for each label. */
function combinations(values: Readonly<Record<string, readonly string[]>>): Record<string, string>[] {
  return Object.entries(values).reduce<Record<string, string>[]>(
    (rows, [label, choices]) => rows.flatMap((row) => choices.map((choice) => ({ ...row, [label]: choice }))),
    [{}],
  )
}

/** What a room needs to declare its metrics without knowing the library behind them. Label sets are closed. */
export interface MetricRegistry {
  counter<L extends string>(name: string, help: string, labels: readonly L[]): Counter<L>
  /** `collect`, if given, runs at scrape time and must read memory only. */
  gauge<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
    collect?: (gauge: Gauge<L>) => void,
  ): Gauge<L>
  histogram<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
    buckets: readonly number[],
  ): Histogram<L>
}

export type LabelValues<L extends string> = Readonly<Record<L, string>>

export interface Counter<L extends string> {
  inc(labels: LabelValues<L>, by?: number): void
}

export interface Gauge<L extends string> {
  set(labels: LabelValues<L>, value: number): void
}

export interface Histogram<L extends string> {
  observe(labels: LabelValues<L>, value: number): void
}

const nothing = { inc() {}, set() {}, observe() {} }

/** For tests and tools that keep no metrics. */
export const noMetrics: MetricRegistry = { counter: () => nothing, gauge: () => nothing, histogram: () => nothing }

/**
 * What a room needs to declare its metrics without knowing the library behind them. Declaring one again returns the one
 * that is there.
 */
export interface MetricRegistry {
  /**
   * `values`: for each label all that it can say. Every combination is there from zero, so that a first increase is seen as
   * one (Prometheus, "Avoid missing metrics"); a later declaration may add combinations.
   */
  counter<V extends Labels>(name: string, help: string, values: LabelSets<V>): Counter<V>
  /** `collect`, if given, runs at scrape time and must read memory only. */
  gauge<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
    collect?: (gauge: Gauge<L>) => void,
  ): Gauge<L>
  /** `values` as for a counter. */
  histogram<V extends Labels>(
    name: string,
    help: string,
    values: LabelSets<V>,
    buckets: readonly number[],
  ): Histogram<V>
}

/** The value of each label. */
export type Labels = Readonly<Record<string, string>>

/** The values that each label can have. */
export type LabelSets<V extends Labels> = { readonly [L in keyof V]: readonly V[L][] }

/** Of a metric that has none. */
export type NoLabels = Readonly<Record<never, string>>

export type LabelValues<L extends string> = Readonly<Record<L, string>>

export interface Counter<V extends Labels> {
  inc(labels: V, by?: number): void
}

export interface Gauge<L extends string> {
  set(labels: LabelValues<L>, value: number): void
}

export interface Histogram<V extends Labels> {
  observe(labels: V, value: number): void
}

const nothing = { inc() {}, set() {}, observe() {} }

/** For tests and tools that keep no metrics. */
export const noMetrics: MetricRegistry = { counter: () => nothing, gauge: () => nothing, histogram: () => nothing }

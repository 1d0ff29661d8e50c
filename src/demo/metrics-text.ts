/** One sample of a metric: its labels and value. */
interface MetricSample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g

/** A scrape of `/metrics` (Prometheus text format), to be asked for sums. */
export class MetricsSnapshot {
  readonly #samples = new Map<string, MetricSample[]>()

  constructor(text: string) {
    for (const line of text.split('\n')) {
      const match = line.startsWith('#') ? null : SAMPLE.exec(line)
      if (match === null) continue
      const [, name = '', labelText = '', value] = match
      const labels = Object.fromEntries([...labelText.matchAll(LABEL)].map(([, key = '', text = '']) => [key, text]))
      const samples = this.#samples.get(name) ?? []
      samples.push({ labels, value: Number(value) })
      this.#samples.set(name, samples)
    }
  }

  /** The samples of `name` whose labels include `labels`. */
  samples(name: string, labels: Readonly<Record<string, string>> = {}): readonly MetricSample[] {
    const wanted = Object.entries(labels)
    return (this.#samples.get(name) ?? []).filter((sample) =>
      wanted.every(([key, value]) => sample.labels[key] === value),
    )
  }

  /** Their sum; 0 when there are none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.samples(name, labels).reduce((sum, sample) => sum + sample.value, 0)
  }
}

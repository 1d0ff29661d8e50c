import { quantile } from '../../src/base/quantile.ts'

/** What costs this many times the usual is slow. */
const SLOW = 10
/** Below this, clocks and collections of garbage are most of it. */
const LEAST_MS = 2
/** Nor is slow what looks at each byte a few times, where others of its kind are mostly refused at the first. */
const LEAST_MS_PER_BYTE = 0.001
/** Of each size class so many inputs say what is usual. */
const SAMPLES = 501
/** An input is read again so often before it is called slow: a machine has other things to do. */
const AGAIN = 7

/** One input that was read. */
interface Cost {
  readonly bytes: number
  readonly taken: boolean
  readonly ms: number
}

/** What inputs of a size usually cost, those taken and those refused: sizes are powers of two. */
export class Pace {
  readonly #samples = new Map<number, number[]>()
  readonly #usualMs = new Map<number, number>()

  /**
   * Takes note of what an input cost. Why it is slow, if it costs too much as often as it is read `again`;
   * nothing is, while too few of its size have been seen.
   */
  async slow({ bytes, taken, ms }: Cost, again: () => Promise<number>): Promise<string | undefined> {
    const usualMs = this.#usual(2 * Math.floor(Math.log2(bytes + 1)) + (taken ? 1 : 0), ms)
    if (usualMs === undefined) return undefined
    const limitMs = Math.max(LEAST_MS, LEAST_MS_PER_BYTE * bytes, SLOW * usualMs)
    let least = ms
    for (let i = 0; i < AGAIN && least > limitMs; i++) least = Math.min(least, await again())
    if (least <= limitMs) return undefined
    return `${least.toFixed(1)} ms for ${bytes} bytes, where ${usualMs.toFixed(3)} ms are usual`
  }

  #usual(kind: number, tookMs: number): number | undefined {
    const samples = this.#samples.get(kind) ?? []
    if (samples.length < SAMPLES) {
      this.#samples.set(kind, [...samples, tookMs])
      return undefined
    }
    const usualMs = this.#usualMs.get(kind) ?? quantile(samples, 0.5)
    this.#usualMs.set(kind, usualMs)
    return usualMs
  }
}

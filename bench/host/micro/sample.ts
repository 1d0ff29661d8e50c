import { quantile } from '../../../src/base/quantile.ts'
import type { MicroResult } from '../tasks.ts'

export const SAMPLES = 30
const WARM_UP_MS = 200
/** Shorter samples would time the clock and the garbage collector's chance. */
const SAMPLE_MS = 10

/** What `turn` does `operations` times in one call, and how many bytes an operation moves. */
export interface MicroSubject {
  readonly subject: string
  readonly operations: number
  readonly bytesEach?: number | undefined
}

/** Times `turn`, in samples of as many turns as fill a few milliseconds. */
export function sample(of: MicroSubject, turn: () => void): MicroResult {
  const turns = turnsOf(SAMPLE_MS, turn)
  const times: number[] = []
  for (let i = 0; i < SAMPLES; i++) {
    const startMs = performance.now()
    for (let n = 0; n < turns; n++) turn()
    times.push((performance.now() - startMs) / turns)
  }
  return microResult(of, times)
}

/** The result for samples that each took `timesMs` for the subject's operations. */
export function microResult({ subject, operations, bytesEach }: MicroSubject, timesMs: readonly number[]): MicroResult {
  const eachUs = timesMs.map((ms) => (ms * 1000) / operations)
  const p50Us = quantile(eachUs, 0.5)
  return {
    subject,
    p50Us,
    p99Us: quantile(eachUs, 0.99),
    perSecond: 1e6 / p50Us,
    ...(bytesEach === undefined ? {} : { mibPerSecond: bytesEach / 1024 ** 2 / (p50Us / 1e6) }),
    samples: timesMs.length,
  }
}

/** Runs `turn` until it is compiled, and answers how many of it take `ms`. */
function turnsOf(ms: number, turn: () => void): number {
  const startMs = performance.now()
  let turns = 0
  while (performance.now() - startMs < WARM_UP_MS) {
    turn()
    turns++
  }
  return Math.max(1, Math.round((turns * ms) / WARM_UP_MS))
}

/** A source of chance that a seed makes repeatable. */
export interface Rng {
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform integer in [0, n). `n` must be at least 1. */
  below(n: number): number
}

/** mulberry32: 32 bits of state, good enough for tie-breaks and jitter, never for secrets. */
export function seededRng(seed: number): Rng {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { next, below: (n) => Math.floor(next() * n) }
}

/** `ms` give or take a half: so that hosts which begin to wait together do not end together. */
export function jittered(rng: Rng, ms: number): number {
  return ms * (0.5 + rng.next())
}

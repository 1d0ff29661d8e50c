/**
 * Time in milliseconds and timers: the one source of time, so that tests and the simulator own it. Durations and deadlines
 * are measured with `now`; `wall` is for what outlives the process or is told to others, and may step either way.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  now(): number
  /** Milliseconds since 1970 as this host believes it; goes back and forth when the host's clock is set. */
  wall(): number
  /** Runs `fn` once, `ms` from now, unless disposed first. */
  after(ms: number, fn: () => void): Disposable
}

/** The process's own clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms)
    timer.unref()
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}

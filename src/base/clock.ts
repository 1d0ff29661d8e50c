/** Monotonic time in milliseconds and timers: the only source of time below `node/`, so that tests and the simulator own it. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  now(): number
  /** Runs `fn` once, `ms` from now, unless disposed first. */
  after(ms: number, fn: () => void): Disposable
}

/** The process's own clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms)
    timer.unref()
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}

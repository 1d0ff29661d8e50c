import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'

/** Time that moves only when told to. */
export class ManualClock implements Clock {
  #now = 0
  #timers = new Set<{ readonly at: number; readonly fn: () => void }>()

  now(): number {
    return this.#now
  }

  wall(): number {
    return this.#now
  }

  after(ms: number, fn: () => void): Disposable {
    const timer = { at: this.#now + ms, fn }
    this.#timers.add(timer)
    return { [Symbol.dispose]: () => this.#timers.delete(timer) }
  }

  advance(ms: number): void {
    this.#now += ms
    for (const timer of this.#timers) {
      if (timer.at > this.#now) continue
      this.#timers.delete(timer)
      timer.fn()
    }
  }
}

/** The system's clock, which believes that it is `wall`. */
export function clockAt(wall: () => number): Clock {
  return { ...systemClock, wall }
}

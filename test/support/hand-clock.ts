import type { Clock } from '../../src/base/clock.ts'

/** A clock that stands still, and whose timers fire when told, however long they were set for. */
export class HandClock implements Clock {
  readonly timers = new Set<{ readonly ms: number; readonly fn: () => void }>()

  now(): number {
    return 0
  }

  wall(): number {
    return 0
  }

  after(ms: number, fn: () => void): Disposable {
    const timer = { ms, fn }
    this.timers.add(timer)
    return { [Symbol.dispose]: () => this.timers.delete(timer) }
  }

  /** Fires all that there are now; returns what the longest was set for. */
  fire(): number {
    const due = [...this.timers]
    this.timers.clear()
    for (const timer of due) timer.fn()
    return Math.max(0, ...due.map(({ ms }) => ms))
  }
}

import type { Clock } from '../../../src/base/clock.ts'
import { settle } from './memory-channel.ts'

/** Time that passes when the test says so. */
export class ManualClock implements Clock {
  #now = 0
  readonly #timers = new Map<object, { at: number; fn: () => void }>()

  now(): number {
    return this.#now
  }

  after(ms: number, fn: () => void): Disposable {
    const key = { [Symbol.dispose]: () => void this.#timers.delete(key) }
    this.#timers.set(key, { at: this.#now + ms, fn })
    return key
  }

  async pass(ms: number): Promise<void> {
    this.#now += ms
    for (const [key, timer] of [...this.#timers]) {
      if (timer.at <= this.#now && this.#timers.delete(key)) timer.fn()
    }
    await settle()
  }
}

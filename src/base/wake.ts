import type { Clock } from './clock.ts'

/** Cuts the waits of one loop short: it looks now and then, and at once when something has happened. */
export class Wake {
  #isCalled = false
  #end: (() => void) | undefined

  /** Ends the wait under way, or else the next one. */
  call(): void {
    this.#isCalled = true
    this.#end?.()
  }

  /** Resolves after `ms`, or when it is called; rejects with the signal's reason. One wait at a time. */
  async wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (!this.#isCalled) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#end = resolve
      signal.addEventListener('abort', this.#end, { once: true })
      using _timer = clock.after(ms, resolve)
      await promise
      signal.removeEventListener('abort', this.#end)
      this.#end = undefined
    }
    this.#isCalled = false
    signal.throwIfAborted()
  }
}

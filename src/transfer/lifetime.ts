import { raceAbort } from '../base/abort.ts'
import type { ShoalError } from '../base/errors.ts'

/** How long something goes on: for whom, what those who wait for it are told, and how it ends. */
export class Lifetime {
  readonly #closing = new AbortController()
  #change = Promise.withResolvers<void>()
  #failure: ShoalError | undefined
  #holds = 0
  onIdle: (() => void) | undefined

  get failure(): ShoalError | undefined {
    return this.#failure
  }

  /** Aborts when it ends. */
  get signal(): AbortSignal {
    return this.#closing.signal
  }

  get held(): boolean {
    return this.#holds > 0
  }

  /** Keeps it going until disposed. */
  hold(): Disposable {
    this.#holds++
    let released = false
    return {
      [Symbol.dispose]: () => {
        if (released) return
        released = true
        this.#holds--
        if (this.#holds === 0) this.onIdle?.()
      },
    }
  }

  /**
   * Resolves at the next change; rejects with the failure, the signal's reason, or that of the end. Somebody waits for each
   * piece, and joining the two signals would cost four times the wait: the end wakes all, and they look.
   */
  async whenChanged(signal: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.signal.throwIfAborted()
    await raceAbort(this.#change.promise, signal)
    this.signal.throwIfAborted()
  }

  /** Resolves true at the next change, false after `ms` or at the end. */
  async nextChange(ms: number): Promise<boolean> {
    const limit = AbortSignal.any([AbortSignal.timeout(Math.max(1, Math.ceil(ms))), this.#closing.signal])
    try {
      await raceAbort(this.#change.promise, limit)
      return true
    } catch {
      return false
    }
  }

  /** Wakes everybody who waits for something to change. */
  changed(): void {
    const change = this.#change
    this.#change = Promise.withResolvers<void>()
    change.resolve()
  }

  fail(error: ShoalError): void {
    this.#failure ??= error
    this.changed()
  }

  /** Ends all that waits for it, and all that it reads. */
  close(reason: unknown): void {
    this.#closing.abort(reason)
    this.changed()
  }
}

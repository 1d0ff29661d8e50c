import { raceAbort } from './abort.ts'

/** Bounds how much runs at once. Callers have their turn in the order they came. */
export class Slots {
  readonly #most: number
  readonly #waiting = new Set<() => void>()
  #taken = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Resolves once there is a slot, to be disposed when done with it. Rejects with the signal's reason. */
  async take(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted()
    if (this.#taken < this.#most) this.#taken++
    else await this.#turn(signal)
    let isTaken = true
    return {
      [Symbol.dispose]: () => {
        if (isTaken) this.#release()
        isTaken = false
      },
    }
  }

  /** Runs `work` in a slot. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    using _slot = await this.take()
    return await work()
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add(resolve)
    try {
      await (signal === undefined ? promise : raceAbort(promise, signal))
    } catch (error) {
      // its turn came in the moment it gave up
      if (!this.#waiting.delete(resolve)) this.#release()
      throw error
    }
  }

  /** Hands the slot over, so that nobody who comes now is before who waits. */
  #release(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#taken--
      return
    }
    this.#waiting.delete(next)
    next()
  }
}

/** One at a time per key, first come first served. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>()

  /** Whether someone holds or awaits `key`. When not, the next `run` starts its work before it returns. */
  busy(key: string): boolean {
    return this.#tails.has(key)
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key)
    const turn = Promise.withResolvers<void>()
    this.#tails.set(key, turn.promise)
    try {
      if (before !== undefined) await before
      return await work()
    } finally {
      if (this.#tails.get(key) === turn.promise) this.#tails.delete(key)
      turn.resolve()
    }
  }
}

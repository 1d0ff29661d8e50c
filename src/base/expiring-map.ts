import type { Clock } from './clock.ts'

interface Entry<V> {
  readonly value: V
  readonly expiresAt: number
}

/** A map whose entries end by time, and of which the oldest go first when there are too many. */
export class ExpiringMap<V> {
  readonly #clock: Pick<Clock, 'now'>
  readonly #maxEntries: number
  readonly #entries = new Map<string, Entry<V>>()

  constructor(clock: Pick<Clock, 'now'>, maxEntries: number) {
    this.#clock = clock
    this.#maxEntries = maxEntries
  }

  /** Those that have ended and were not asked for since among them. */
  get size(): number {
    return this.#entries.size
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.expiresAt > this.#clock.now()) return entry?.value
    this.#entries.delete(key)
    return undefined
  }

  set(key: string, value: V, lifeMs: number): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, expiresAt: this.#clock.now() + lifeMs })
    const oldest = this.#entries.keys().next()
    if (this.#entries.size > this.#maxEntries && oldest.done !== true) this.#entries.delete(oldest.value)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }
}

import type { LeecherEvent, PeerSetEvent } from '../scheduler/index.ts'

/** What a host acts upon only where it has room to ask for more. */
export type LaterEvent = Extract<PeerSetEvent, { type: 'have' }> | Extract<LeecherEvent, { type: 'began' | 'progress' }>

interface Later {
  readonly at: number
  readonly event: LaterEvent
}

const NOTHING: readonly Later[] = []

/**
 * News on its way to a host that it will hear when it next has something to do. Most of all that hosts tell one another is
 * such news, and nothing follows from it while all that a host may ask for is under way: heard together it costs a tenth.
 */
export class Inbox {
  #waiting: Later[] = []
  #nextAt = Number.POSITIVE_INFINITY
  #lastAt = Number.NEGATIVE_INFINITY
  /** Whether what waits came in the order of its times, as most does. */
  #isInOrder = true

  /** When the first of it is there; infinity for nothing. */
  get nextAt(): number {
    return this.#nextAt
  }

  put(at: number, event: LaterEvent): void {
    this.#waiting.push({ at, event })
    this.#nextAt = Math.min(this.#nextAt, at)
    if (at < this.#lastAt) this.#isInOrder = false
    else this.#lastAt = at
  }

  /** What is there by now, in the order of coming. */
  take(now: number): readonly Later[] {
    if (now < this.#nextAt) return NOTHING
    if (this.#lastAt <= now) return this.#takeAll()
    const due: Later[] = []
    const waiting: Later[] = []
    let nextAt = Number.POSITIVE_INFINITY
    for (const one of this.#waiting) {
      if (one.at <= now) due.push(one)
      else {
        waiting.push(one)
        nextAt = Math.min(nextAt, one.at)
      }
    }
    this.#waiting = waiting
    this.#nextAt = nextAt
    return due.length === 1 ? due : due.sort((a, b) => a.at - b.at)
  }

  #takeAll(): readonly Later[] {
    const all = this.#waiting
    if (!this.#isInOrder) all.sort((a, b) => a.at - b.at)
    this.clear()
    return all
  }

  clear(): void {
    this.#waiting = []
    this.#nextAt = Number.POSITIVE_INFINITY
    this.#lastAt = Number.NEGATIVE_INFINITY
    this.#isInOrder = true
  }
}

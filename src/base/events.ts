import type { Clock } from './clock.ts'

/** What a host tells of as it happens. */
const EVENT_KINDS = ['pull', 'refusal', 'tier', 'job'] as const
type EventKind = (typeof EVENT_KINDS)[number]

export interface HostEvent {
  /** Counts from 1; starts anew with the process. */
  readonly id: number
  readonly kind: EventKind
  readonly epochMs: number
  readonly fields: object
}

/** This many are remembered for those who come late, or come back. */
const MOST_KEPT = 256

/** What has happened on this host lately, and who wants to hear of what happens next. */
export class Events {
  readonly #clock: Pick<Clock, 'wall'>
  readonly #kept: HostEvent[] = []
  readonly #listeners = new Set<(event: HostEvent) => void>()
  #lastId = 0

  constructor(clock: Pick<Clock, 'wall'>) {
    this.#clock = clock
  }

  publish(kind: EventKind, fields: object): void {
    const event: HostEvent = { id: ++this.#lastId, kind, epochMs: this.#clock.wall(), fields }
    this.#kept.push(event)
    if (this.#kept.length > MOST_KEPT) this.#kept.shift()
    for (const listener of this.#listeners) listener(event)
  }

  /** What is remembered of it after the event `id`, oldest first; an id that was never given is one of another process's. */
  since(id: number): readonly HostEvent[] {
    return id > this.#lastId ? [...this.#kept] : this.#kept.filter((event) => event.id > id)
  }

  /** `listener` must not throw. */
  listen(listener: (event: HostEvent) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }
}

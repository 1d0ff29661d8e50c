import { abortError } from './abort.ts'
import type { Clock } from './clock.ts'

interface Flight<T> {
  readonly promise: Promise<T>
  readonly controller: AbortController
  waiters: number
  settled: boolean
  /** Ends it, once nobody has waited for it for a while. */
  lingering: Disposable | undefined
}

/** How long jobs go on that nobody waits for, and how many of them. */
interface Lingering {
  readonly clock: Clock
  readonly ms: number
  readonly most: number
}

/**
 * One running job per key, shared by all who ask for it meanwhile. Each caller may leave by its own signal; the
 * job is aborted only when the last one has left, or lingers for whoever asks next: what takes longer than its callers
 * wait would otherwise begin at nothing each time.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()
  readonly #lingering: Lingering | undefined
  /** The flights nobody waits for, the longest first. */
  readonly #left = new Map<string, Flight<T>>()

  constructor(lingering?: Lingering) {
    this.#lingering = lingering
  }

  /** Joins the job for `key`, or starts it with `work`. Rejects with the caller's own abort reason, or as the job does. */
  async run(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#start(key, work)
    flight.waiters++
    this.#stay(key, flight)
    try {
      return await new Promise<T>((resolve, reject) => {
        const onAbort = (): void => reject(signal.reason)
        signal.addEventListener('abort', onAbort, { once: true })
        flight.promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
      })
    } finally {
      flight.waiters--
      if (flight.waiters === 0 && !flight.settled) this.#leave(key, flight)
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController()
    const promise = work(controller.signal)
    const flight: Flight<T> = { promise, controller, waiters: 0, settled: false, lingering: undefined }
    this.#flights.set(key, flight)
    flight.promise
      .catch(() => {})
      .finally(() => {
        flight.settled = true
        this.#forget(key, flight)
      })
    return flight
  }

  /** The last who waited has left. */
  #leave(key: string, flight: Flight<T>): void {
    if (this.#lingering === undefined) return this.#abort(key, flight)
    const { clock, ms, most } = this.#lingering
    flight.lingering = clock.after(ms, () => this.#abort(key, flight))
    this.#left.set(key, flight)
    for (const [oldest, other] of this.#left) {
      if (this.#left.size <= most) return
      this.#abort(oldest, other)
    }
  }

  #stay(key: string, flight: Flight<T>): void {
    flight.lingering?.[Symbol.dispose]()
    flight.lingering = undefined
    if (this.#left.get(key) === flight) this.#left.delete(key)
  }

  #forget(key: string, flight: Flight<T>): void {
    this.#stay(key, flight)
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }

  #abort(key: string, flight: Flight<T>): void {
    this.#forget(key, flight)
    flight.controller.abort(abortError('nobody waits for this any more'))
  }
}

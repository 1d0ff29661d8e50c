interface Flight<T> {
  readonly promise: Promise<T>
  readonly controller: AbortController
  waiters: number
  settled: boolean
}

/**
 * One running job per key, shared by all who ask for it meanwhile. Each caller may leave by its own signal; the
 * job is aborted only when the last one has left.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()

  /** Joins the job for `key`, or starts it with `work`. Rejects with the caller's own abort reason, or as the job does. */
  async run(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#start(key, work)
    flight.waiters++
    try {
      return await new Promise<T>((resolve, reject) => {
        const onAbort = (): void => reject(signal.reason)
        signal.addEventListener('abort', onAbort, { once: true })
        flight.promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
      })
    } finally {
      flight.waiters--
      if (flight.waiters === 0 && !flight.settled) {
        if (this.#flights.get(key) === flight) this.#flights.delete(key)
        flight.controller.abort(new DOMException('nobody waits for this any more', 'AbortError'))
      }
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController()
    const flight: Flight<T> = { promise: work(controller.signal), controller, waiters: 0, settled: false }
    this.#flights.set(key, flight)
    flight.promise
      .catch(() => {})
      .finally(() => {
        flight.settled = true
        if (this.#flights.get(key) === flight) this.#flights.delete(key)
      })
    return flight
  }
}

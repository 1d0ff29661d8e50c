import { abortError, sleep } from './abort.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './log.ts'
import { Wake } from './wake.ts'

interface Rounds {
  readonly clock: Clock
  /** Default: at once. */
  readonly firstAfterMs?: number
  readonly everyMs: number
  /** Begins the next round sooner. */
  readonly wake?: Wake
}

/** Work in the background with one owner and one end. Whatever ends before that, by a fault, says so in the log. */
export class TaskGroup implements AsyncDisposable {
  readonly #logger: Pick<Logger, 'error' | 'warn'>
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(logger: Pick<Logger, 'error' | 'warn'>) {
    this.#logger = logger
  }

  /** Aborted when the group is stopped. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  get size(): number {
    return this.#running.size
  }

  /**
   * Runs `work` as part of the group; `failure` is the log line if it fails by anything but the end of the group. Resolves
   * when it has ended, and never rejects. A group that was stopped runs nothing.
   */
  run(failure: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    if (signal.aborted) return Promise.resolve()
    const task = work(signal)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#logger.error({ err: error }, failure)
      })
      .finally(() => this.#running.delete(task))
    this.#running.add(task)
    return task
  }

  /** Runs rounds until the group is stopped. One that fails is a warning, `failure`, and the next is tried all the same. */
  loop(
    failure: string,
    { clock, firstAfterMs = 0, everyMs, wake = new Wake() }: Rounds,
    round: () => Promise<void> | void,
  ): void {
    void this.run(failure, async (signal) => {
      if (firstAfterMs > 0) await sleep(clock, firstAfterMs, signal)
      for (;;) {
        try {
          await round()
        } catch (error) {
          signal.throwIfAborted()
          this.#logger.warn({ err: error }, failure)
        }
        await wake.wait(clock, everyMs, signal)
      }
    })
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  /** Ends all that runs, and resolves when it has ended. */
  stop(why = 'stopping'): Promise<void> {
    this.#stop.abort(abortError(why))
    return this.settled()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

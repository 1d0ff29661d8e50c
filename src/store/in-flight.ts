import { ShoalError } from '../base/errors.ts'

/** Counts work in progress, so that what it uses is closed only after it. */
export class InFlight {
  readonly #subject: string
  #running = 0
  #closed = false
  #idle: PromiseWithResolvers<void> | undefined

  /** `subject` names, in the error of a closed gate, what is closed. */
  constructor(subject: string) {
    this.#subject = subject
  }

  /** Runs `work`, or throws `STORE_FAILED` when closed. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.check()
    this.#running++
    try {
      return await work()
    } finally {
      this.#running--
      if (this.#running === 0) {
        this.#idle?.resolve()
        this.#idle = undefined
      }
    }
  }

  /** Throws `STORE_FAILED` when closed. */
  check(): void {
    if (this.#closed) throw new ShoalError('STORE_FAILED', `${this.#subject} is closed`)
  }

  /** Resolves once nothing runs. */
  async idle(): Promise<void> {
    if (this.#running === 0) return
    this.#idle ??= Promise.withResolvers<void>()
    await this.#idle.promise
  }

  /** Lets nothing more in and waits for what runs. */
  close(): Promise<void> {
    this.#closed = true
    return this.idle()
  }
}

/**
 * Runs `reload` at each SIGHUP, one at a time: signals that come meanwhile make it run once more. While this exists the
 * signal does not end the process. `reload` must not reject.
 */
export class Hangups implements Disposable {
  readonly #reload: () => Promise<void>
  readonly #onSignal = (): void => this.#wanted()
  #running = false
  #again = false

  constructor(reload: () => Promise<void>) {
    this.#reload = reload
    process.on('SIGHUP', this.#onSignal)
  }

  [Symbol.dispose](): void {
    process.off('SIGHUP', this.#onSignal)
  }

  #wanted(): void {
    this.#again = true
    if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#again) {
      this.#again = false
      await this.#reload()
    }
    this.#running = false
  }
}

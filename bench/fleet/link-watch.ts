import { sleep } from '../../src/base/abort.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Network } from './network.ts'
import type { TrafficSample } from './timeline.ts'

/** A program is started for each sample: more of them would be what is measured. */
export const WATCH_EVERY_MS = 500

/** Reads the counters of all links now and then until it is stopped. */
export class LinkWatch {
  readonly #network: Network
  readonly #samples: TrafficSample[] = []
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  private constructor(network: Network) {
    this.#network = network
    this.#running = this.#run()
  }

  static start(network: Network): LinkWatch {
    return new LinkWatch(network)
  }

  get samples(): readonly TrafficSample[] {
    return this.#samples
  }

  /** The last sample is of now. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#sample()
  }

  async #run(): Promise<void> {
    const startedAt = performance.now()
    for (let n = 1; !this.#stop.signal.aborted; n++) {
      await this.#sample()
      const waitMs = startedAt + n * WATCH_EVERY_MS - performance.now()
      await sleep(systemClock, Math.max(0, waitMs), this.#stop.signal).catch(() => {})
    }
  }

  async #sample(): Promise<void> {
    const hosts = await this.#network.traffic()
    this.#samples.push({ atMs: performance.now(), hosts })
  }
}

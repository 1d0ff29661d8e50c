import { setTimeout as wait } from 'node:timers/promises'
import type { ChaosHost } from './host.ts'
import { PORTS } from './host.ts'
import { withPatience } from './patience.ts'

const EVERY_MS = 500
/**
 * A daemon that runs says how it is within a second; on a machine that a whole fleet shares it gets ten, and less than that
 * is only reported.
 */
const ANSWER_MS = 10_000

/** Asks every daemon how it is, for as long as it exists. */
export class HealthWatch {
  readonly breaches: string[] = []
  /** The longest that an answer took. */
  slowestMs = 0
  readonly #stop = new AbortController()
  readonly #ended: Promise<unknown>

  constructor(hosts: readonly ChaosHost[]) {
    this.#ended = Promise.all(hosts.flatMap((host) => ['healthz', 'metrics'].map((path) => this.#watch(host, path))))
    // told at the end
    this.#ended.catch(() => {})
  }

  async end(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  async #watch(host: ChaosHost, path: string): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      // of a daemon that was, or is going to be, put out of action meanwhile nothing is expected
      if (host.answers) await this.#look(host, path)
      await wait(EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  async #look(host: ChaosHost, path: string): Promise<void> {
    const { outages } = host
    const startedAt = performance.now()
    const url = `http://127.0.0.1:${PORTS.admin}/${path}`
    const status = await host.hand.place.ask(url).then(
      (answer) => answer.status,
      (error: unknown) => error,
    )
    const ms = Math.round(performance.now() - startedAt)
    if (!host.answers || host.outages !== outages) return
    this.slowestMs = Math.max(this.slowestMs, ms)
    if (status !== 200) this.breaches.push(`${host.name}: /${path} answers ${status} after ${ms} ms`)
    else if (ms > withPatience(ANSWER_MS)) this.breaches.push(`${host.name}: /${path} took ${ms} ms`)
  }
}

import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { Agent, request } from 'undici'
import { quantile } from '../../src/base/quantile.ts'
import type { AgentProcess, Fleet, PushedImage } from '../../src/demo/index.ts'

const REQUESTS = 3_000
const SLOW_READERS = 150
const SILENT_CONNECTIONS = 300
const SCRAPE_EVERY_MS = 100
const HUNG_MS = 120_000

/** What an agent did while more was asked of it than it can do. */
export interface Overload {
  /** How requests ended, by status; 0: without an answer. */
  readonly statuses: Readonly<Record<string, number>>
  /** How long a pull took meanwhile, as a multiple of one before. */
  readonly pace: number
  readonly metricsP99Ms: number
  readonly metricsFailed: number
}

/**
 * Thousands of requests at once, readers that read nothing and connections that say nothing, all at one agent, while it
 * pulls an image that it does not have. `calm` and `hard` are two images of the same size.
 */
export async function overload(
  fleet: Fleet,
  agent: AgentProcess,
  { calm, hard, known }: { readonly calm: PushedImage; readonly hard: PushedImage; readonly known: PushedImage },
): Promise<Overload> {
  const usual = await fleet.pull(agent, calm.reference)
  const path = new URL(agent.mirrorUrl)
  const [layer] = known.image.layers
  const blob = `/v2/${repositoryOf(known)}/blobs/${layer?.digest}?ns=docker.io`
  const lines = `GET ${blob} HTTP/1.1\r\nHost: ${path.host}\r\n\r\n`
  const sockets = [
    ...Array<string>(SLOW_READERS).fill(lines),
    ...Array<string>(SILENT_CONNECTIONS).fill('GET /v2/'),
  ].map((text) => {
    const socket = connect({ host: path.hostname, port: Number(path.port) })
    socket.on('error', () => {})
    socket.once('connect', () => socket.write(text))
    return socket
  })
  // the agent keeps idle connections for minutes, and so would a client that goes on: these clients leave
  const clients = new Agent()
  const scrapes = new Scrapes(agent, clients)
  const statuses: Record<string, number> = {}
  const asked = Array.from({ length: REQUESTS }, async () => {
    const status = await statusOf(`${agent.mirrorUrl}/v2/${repositoryOf(known)}/manifests/1?ns=docker.io`, clients)
    statuses[status] = (statuses[status] ?? 0) + 1
  })
  try {
    const meanwhile = await fleet.pull(agent, hard.reference)
    await Promise.all(asked)
    return { statuses, pace: meanwhile.seconds / usual.seconds, ...(await scrapes.end()) }
  } finally {
    await scrapes.end()
    for (const socket of sockets) socket.destroy()
    await clients.destroy()
  }
}

function repositoryOf({ reference }: PushedImage): string {
  return reference.slice(reference.indexOf('/') + 1, reference.lastIndexOf(':'))
}

async function statusOf(url: string, dispatcher: Dispatcher): Promise<number> {
  try {
    const answer = await request(url, { dispatcher, signal: AbortSignal.timeout(HUNG_MS), headersTimeout: 0 })
    await answer.body.dump()
    return answer.statusCode
  } catch {
    return 0
  }
}

/** Of `/metrics`, until its end. */
class Scrapes {
  readonly #stop = new AbortController()
  readonly #took: number[] = []
  #failed = 0
  readonly #running: Promise<void>

  constructor(agent: AgentProcess, clients: Dispatcher) {
    this.#running = this.#scrape(agent, clients)
  }

  async end(): Promise<Pick<Overload, 'metricsP99Ms' | 'metricsFailed'>> {
    this.#stop.abort()
    await this.#running
    return { metricsP99Ms: Math.round(quantile(this.#took, 0.99)), metricsFailed: this.#failed }
  }

  async #scrape(agent: AgentProcess, clients: Dispatcher): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const startedAt = performance.now()
      if ((await statusOf(`${agent.adminUrl}/metrics`, clients)) === 200) this.#took.push(performance.now() - startedAt)
      else this.#failed++
      await wait(SCRAPE_EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }
}

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { sleep } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { RateLimiter } from '../base/rate-limiter.ts'
import type { OriginCounters, OriginFaults, TrafficKind } from './origin-traffic.ts'
import { emptyCounters, TrafficClassifier } from './origin-traffic.ts'

const PAGE = '<!doctype html><title>Sign in</title><form>Your session has ended.</form>'

/**
 * A server in front of an origin (S3 or registry) that counts what leaves it, and misbehaves on request. "One copy" is
 * proven by what it counted. Headers pass untouched, Host too, so that signatures stay valid.
 */
export class OriginProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #target: URL
  readonly #host: string
  readonly #agent = new Agent({ keepAlive: true })
  readonly #limiter = new RateLimiter(systemClock, 0)
  readonly #classifier = new TrafficClassifier()
  #counters = emptyCounters()
  #faults: OriginFaults = {}

  private constructor(target: string, host: string) {
    this.#target = new URL(target)
    this.#host = host
    this.#server = createServer({ keepAliveTimeout: 120_000 }, (incoming, answer) => {
      this.#handle(incoming, answer).catch(() => answer.destroy())
    })
  }

  /** Listens on a free port, in front of `target` (an http URL without a path); on loopback unless `host` says more. */
  static async listen(target: string, host = '127.0.0.1'): Promise<OriginProxy> {
    const proxy = new OriginProxy(target, host)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(0, host, resolve)
    })
    return proxy
  }

  get url(): string {
    return `http://${this.#host}:${(this.#server.address() as AddressInfo).port}`
  }

  counters(): OriginCounters {
    return structuredClone(this.#counters)
  }

  resetCounters(): void {
    this.#counters = emptyCounters()
  }

  /** Replaces all faults: `{}` heals. Requests under way feel it too. */
  setFaults(faults: OriginFaults): void {
    this.#faults = faults
    this.#limiter.setRate(faults.bytesPerSec ?? 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    if (!this.#server.listening) return
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const url = incoming.url ?? '/'
    const kind = this.#classifier.classify(url)
    const isRead = incoming.method === 'GET' || incoming.method === 'HEAD'
    if (isRead) {
      this.#counters.requests++
      this.#counters.byKind[kind].requests++
    } else {
      this.#counters.writes++
    }
    // what fills the origin is not what is tried
    const { refuse, silent, latencyMs, status, html }: OriginFaults = isRead ? this.#faults : {}
    if (refuse === true) return void answer.destroy()
    if (silent === true) return
    if (latencyMs !== undefined) await sleep(systemClock, latencyMs)
    if (status !== undefined) return void answer.writeHead(status).end()
    if (html === true) return void answer.writeHead(200, { 'content-type': 'text/html' }).end(PAGE)
    const reply = await this.#forward(incoming, answer)
    answer.writeHead(reply.statusCode ?? 502, reply.rawHeaders)
    await pipeline(reply, (body: AsyncIterable<Buffer>) => this.#pass(body, url, kind, isRead, answer), answer)
  }

  #forward(incoming: IncomingMessage, answer: ServerResponse): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#target
      const { method, url: path, rawHeaders } = incoming
      const options = { hostname, port, method, path, headers: rawHeaders, agent: this.#agent }
      const outgoing = request(options, resolve)
      answer.once('close', () => outgoing.destroy())
      pipeline(incoming, outgoing).catch(reject)
      outgoing.once('error', reject)
    })
  }

  async *#pass(
    body: AsyncIterable<Buffer>,
    url: string,
    kind: TrafficKind,
    isRead: boolean,
    answer: ServerResponse,
  ): AsyncGenerator<Buffer> {
    let sent = 0
    for await (const chunk of body) {
      if (this.#faults.silent === true) await new Promise((resolve) => answer.once('close', resolve))
      if (this.#faults.corrupt?.some((part) => url.includes(part)) === true) chunk[0] = (chunk[0] ?? 0) ^ 0xff
      const cut = kind === 'blob' ? this.#faults.cutAfterBytes : undefined
      const part = cut === undefined ? chunk : chunk.subarray(0, Math.max(0, cut - sent))
      await this.#limiter.take(part.length)
      if (part.length > 0) yield part
      sent += part.length
      if (isRead) {
        this.#counters.bytes += part.length
        this.#counters.byKind[kind].bytes += part.length
      }
      // destroySoon sends what is queued, then FIN: a body cut short, not a reset.
      if (part.length < chunk.length) return void answer.socket?.destroySoon()
    }
  }
}

import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fastify from 'fastify'
import { sleep } from '../base/abort.ts'
import type { Address } from '../base/address.ts'
import { queueConnections } from '../base/bound-connections.ts'
import type { Clock } from '../base/clock.ts'
import { createHostGuard } from '../base/host-guard.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import { newHopName } from '../base/mirror-hops.ts'
import { ownFileShares } from '../base/open-files.ts'
import type { Tracer } from '../base/tracing.ts'
import { NO_TRACER } from '../base/tracing.ts'
import type { ContentService } from '../blob/interface.ts'
import type { Digest } from '../oci/digest.ts'
import { answerBrokenRequest } from './broken-request.ts'
import type { ExchangeDeps } from './exchange.ts'
import { serveExchange } from './exchange.ts'
import type { MirrorMetrics } from './metrics.ts'
import { mirrorMetrics } from './metrics.ts'
import { ParallelReads } from './parallel-reads.ts'
import { PullApi } from './pull-api.ts'
import { PullTraces } from './pull-traces.ts'
import type { PullListener } from './pull-watch.ts'
import { PullWatch } from './pull-watch.ts'

export interface MirrorServerOptions {
  readonly listen: Address
  /** A socket that listens already, from whoever started this process; `listen` only says whom it serves then. */
  readonly fd?: number | undefined
  /** Upstreams asked, in order, for a bare /v2/<repository>. */
  readonly search: readonly string[]
  /** What this host calls itself to other Shoals (base/mirror-hops.ts). Default: a name of its own. */
  readonly hopName?: string
  /** How long `drain` goes on with the pulls that are under way. */
  readonly drainMs: number
  /** Further host names this server goes by, for the Host header check. */
  readonly selfHosts?: () => readonly string[]
  /** Beyond this many connections the longest idle one ends, and without one new ones wait. Default 4096, or fewer where few files may be open. */
  readonly maxConnections?: number
}

interface MirrorServerDeps {
  readonly content: ContentService
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
  /** Counts content bytes handed to runtimes (`shoal_sent_bytes_total{to="runtime"}`, shared with other rooms). */
  readonly onSent: (bytes: number) => void
  /** Tells of all content as this host receives it. */
  readonly onReceived?: ((listener: ReceivedListener) => Disposable) | undefined
  /** Told what becomes of pulls. */
  readonly pulls?: PullListener | undefined
  /** Default: nothing is timed. */
  readonly tracer?: Tracer | undefined
}

type ReceivedListener = (digest: Digest, from: 'peer' | 'home' | 'parent' | 'origin', bytes: number) => void

/** Go clients reuse idle connections for 30-120 s; closing first would race with their next request (edge case 25). */
const KEEP_ALIVE_MS = 125_000
const HEADERS_MS = 130_000
/** Room for the long bearer tokens some registries issue. */
const MAX_HEADER_BYTES = 32 * 1024
const MAX_CONNECTIONS = 4096
/** A pull asks for its next layer or range well within this: longer without a request, none is under way. */
const QUIET_MS = 3_000

/**
 * The OCI pull API as an HTTP listener for container runtimes. Fastify owns the listener; its router sees one fixed
 * path, because repository names nest and because its ideas of bad, long or unknown paths are not OCI answers.
 */
export class MirrorServer implements AsyncDisposable {
  readonly #app: FastifyInstance
  readonly #exchange: ExchangeDeps
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: MirrorMetrics
  readonly #drainMs: number
  readonly #queue: Disposable
  readonly #pulls: PullWatch
  readonly #receiving: Disposable | undefined
  #url = ''
  /** Running requests, and work they left behind (no socket). */
  readonly #running = new Map<Promise<void>, Socket | undefined>()
  #closing: Promise<void> | undefined
  /** Aborts when a drain has lasted long enough. */
  readonly #over = new AbortController()
  /** When the last request ended, or began if one runs; undefined without any. */
  #lastAt: number | undefined

  private constructor(options: MirrorServerOptions, deps: MirrorServerDeps) {
    this.#clock = deps.clock
    this.#logger = deps.logger
    this.#metrics = mirrorMetrics(deps.metrics)
    this.#drainMs = options.drainMs
    const { clock, metrics, pulls: listener } = deps
    const traces = new PullTraces(deps.tracer ?? NO_TRACER)
    this.#pulls = new PullWatch({ clock, logger: this.#logger, metrics, listener, traces })
    const { sources } = this.#pulls
    this.#receiving = deps.onReceived?.((digest, from, bytes) => sources.note(digest, from, bytes))
    const guard = createHostGuard(options.listen.host, options.selfHosts ?? (() => []))
    this.#exchange = {
      api: new PullApi(
        { content: deps.content, clock: deps.clock, logger: this.#logger },
        { search: options.search, guard, hopName: options.hopName ?? newHopName() },
      ),
      clock: deps.clock,
      logger: this.#logger,
      metrics: this.#metrics,
      onSent: deps.onSent,
      parallel: new ParallelReads(deps.clock),
      pulls: this.#pulls,
      traces,
      adopt: (work) => this.#track(work, undefined),
    }
    this.#app = this.#createApp()
    const most = Math.min(MAX_CONNECTIONS, ownFileShares().mirror)
    this.#queue = queueConnections(this.#app.server, options.maxConnections ?? most)
  }

  /** Starts listening. Throws Node's error when the address cannot be had. */
  static async start(options: MirrorServerOptions, deps: MirrorServerDeps): Promise<MirrorServer> {
    const server = new MirrorServer(options, deps)
    await server.#listen(options.fd === undefined ? options.listen : { fd: options.fd })
    server.#url = server.#app.listeningOrigin
    server.#logger.info({ url: server.url }, 'the mirror is open')
    return server
  }

  /** `http://host:port` as bound. */
  get url(): string {
    return this.#url
  }

  /** Whether a pull that is under way has still to be served a blob of its image. */
  isPulled(digest: Digest): boolean {
    return this.#pulls.expects(digest)
  }

  /**
   * Goes on taking requests until the pulls under way have ended (no request for some seconds), for `drainMs` at most,
   * then closes and cuts off what still runs: who closed the listener first would fail every layer a pull has not asked
   * for yet. A second call cuts off at once. Resolves when all is closed.
   */
  drain(): Promise<void> {
    if (this.#closing !== undefined) this.#endNow()
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Closes at once: whoever wants pulls to end drains first. */
  [Symbol.asyncDispose](): Promise<void> {
    void this.drain()
    return this.drain()
  }

  async #listen(where: Address | { readonly fd: number }): Promise<void> {
    if (!('fd' in where)) return void (await this.#app.listen({ ...where }))
    const { server } = this.#app
    await this.#app.ready()
    server.listen(where)
    await once(server, 'listening')
  }

  #createApp(): FastifyInstance {
    const app = fastify({
      logger: false,
      rewriteUrl: () => '/',
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      return503OnClosing: false,
      http: {
        requestTimeout: 0,
        headersTimeout: HEADERS_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
        // Checked by the server itself, so that its absence too is answered in OCI JSON.
        requireHostHeader: false,
        keepAlive: true,
      },
      clientErrorHandler: (error, socket) => this.#broken(error, socket),
    })
    // Before any parsing of a body, and without a next step: whatever comes in is answered here.
    app.addHook('onRequest', (request, reply, _next) => {
      reply.hijack()
      const incoming = {
        request: request.raw,
        response: reply.raw,
        target: request.originalUrl,
        last: this.#closing !== undefined,
      }
      this.#lastAt = this.#clock.now()
      const served = serveExchange(this.#exchange, incoming).finally(() => {
        this.#lastAt = this.#clock.now()
      })
      this.#track(served, request.raw.socket)
    })
    this.#configure(app.server)
    return app
  }

  #configure(server: Server): void {
    // Whatever a request expects, it is answered at once: no write gets as far as sending its body.
    const asUsual = (request: IncomingMessage, response: ServerResponse): void => {
      server.emit('request', request, response)
    }
    server.on('checkContinue', asUsual)
    server.on('checkExpectation', asUsual)
  }

  #broken(error: NodeJS.ErrnoException, socket: Socket): void {
    // Bytes written now would land in the middle of a body that is being sent.
    const busy = [...this.#running.values()].includes(socket)
    if (busy || error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const status = answerBrokenRequest(error, socket)
    this.#metrics.requests.inc({ route: 'other', method: 'other', status: String(status) })
  }

  #track(work: PromiseLike<void>, socket: Socket | undefined): void {
    const settled: Promise<void> = Promise.resolve(work).then(
      () => {
        this.#running.delete(settled)
      },
      (error: unknown) => {
        this.#running.delete(settled)
        this.#logger.error({ err: error }, 'work left behind by a mirror request failed')
      },
    )
    this.#running.set(settled, socket)
  }

  #cutOff(): void {
    this.#app.server.closeAllConnections()
  }

  #endNow(): void {
    this.#over.abort()
    this.#cutOff()
  }

  /** Until no pull is under way, or the drain has lasted long enough. */
  async #untilQuiet(): Promise<void> {
    const { signal } = this.#over
    while (!signal.aborted) {
      if (this.#running.size > 0) {
        await Promise.allSettled(this.#running.keys())
        continue
      }
      const left = this.#lastAt === undefined ? 0 : this.#lastAt + QUIET_MS - this.#clock.now()
      if (left <= 0) return
      await sleep(this.#clock, left, signal).catch(() => {})
    }
  }

  async #close(): Promise<void> {
    const { server } = this.#app
    using _timer = this.#clock.after(this.#drainMs, () => this.#endNow())
    await this.#untilQuiet()
    this.#queue[Symbol.dispose]()
    const stopped = new Promise<void>((resolve) => server.close(() => resolve()))
    // Connections kept alive by responses from before the drain would hold the listener for minutes.
    this.#cutOff()
    await stopped
    while (this.#running.size > 0) await Promise.allSettled(this.#running.keys())
    await this.#app.close()
    this.#receiving?.[Symbol.dispose]()
    this.#pulls[Symbol.dispose]()
    this.#logger.info({}, 'the mirror is closed')
  }
}

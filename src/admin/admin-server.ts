import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { fastify } from 'fastify'
import type { Address } from '../base/address.ts'
import { addressText } from '../base/address.ts'
import { boundConnections, queueConnections } from '../base/bound-connections.ts'
import { systemClock } from '../base/clock.ts'
import { errnoCode } from '../base/errno.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import { isTooDeep } from '../base/json.ts'
import type { Logger } from '../base/log.ts'
import { ownFileShares } from '../base/open-files.ts'
import { addEventRoutes, addWhyRoute } from './event-routes.ts'
import { guardRequests } from './guard.ts'
import { addHookRoutes } from './hook-routes.ts'
import type {
  AdminSource,
  EventSource,
  LogSource,
  MetricsText,
  PinSource,
  PrewarmSource,
  PurgeSource,
  VerifySource,
  WebhookSink,
  WhySource,
} from './interface.ts'
import { answerErrors, HttpRefusal } from './json-error.ts'
import { listenOnSocket } from './local-socket.ts'
import { PageKeys } from './page-keys.ts'
import { addPageRoutes } from './page-routes.ts'
import type { PageSource } from './page-view.ts'
import { addPinRoutes } from './pin-routes.ts'
import { addPrewarmRoutes, addScheduleRoutes } from './prewarm-routes.ts'
import { addPurgeRoutes } from './purge-routes.ts'
import { addApiRoutes, addProbeRoutes } from './routes.ts'
import { addVerifyRoutes } from './verify-routes.ts'

const MAX_BODY_BYTES = 64 * 1024
const MAX_CONNECTIONS = 256
const REQUEST_TIMEOUT_MS = 30_000

export interface AdminServerDeps {
  readonly source: AdminSource
  readonly logs: LogSource
  readonly metrics: MetricsText
  readonly page: PageSource
  readonly pins: PinSource
  readonly hooks: WebhookSink
  readonly prewarm: PrewarmSource
  readonly purges: PurgeSource
  readonly verify: VerifySource
  readonly events: EventSource
  readonly why: WhySource
  readonly logger: Logger
}

export interface AdminServerOptions {
  readonly listen: Address
  /** What makes a request over TCP this host's own, as a Bearer token. */
  readonly token: string
  /** Where a user of this host finds it. */
  readonly tokenFile: string
  /** Whether status and metrics want it as well: always off loopback. */
  readonly isClosed: boolean
  /** A unix socket with the same routes, whose file's rights are all that is asked; undefined = none. */
  readonly socket: string | undefined
  /** Whether a socket that cannot be made keeps the server from starting; else it does without, and says so. */
  readonly needsSocket: boolean
}

/** Health, metrics, status and control over HTTP. Disposing ends open connections and frees the port. */
export class AdminServer implements AsyncDisposable {
  readonly #app: FastifyInstance
  readonly #local: Server | undefined
  /** As bound. */
  readonly address: Address

  private constructor(app: FastifyInstance, local: Server | undefined, address: Address) {
    this.#app = app
    this.#local = local
    this.address = address
  }

  /** Starts listening. Throws `CONFIG_INVALID` when the address cannot be had. */
  static async start(deps: AdminServerDeps, options: AdminServerOptions): Promise<AdminServer> {
    const app = fastify({
      logger: false,
      bodyLimit: MAX_BODY_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      forceCloseConnections: true,
    })
    // Only JSON: a web page can send text/plain anywhere without asking first.
    app.removeContentTypeParser('text/plain')
    readShallowJson(app)
    const queue = queueConnections(app.server, Math.min(MAX_CONNECTIONS, ownFileShares().admin))
    app.addHook('preClose', async () => queue[Symbol.dispose]())
    answerErrors(app, deps.logger)
    let local: Server | undefined
    const localSockets = new WeakSet<Socket>()
    const pageKeys = new PageKeys(systemClock)
    const isOwn = guardRequests(app, {
      pageKeys,
      token: options.token,
      isClosed: options.isClosed,
      listenHost: options.listen.host,
      isLocalSocket: (socket) => localSockets.has(socket),
      places: () => ({ socket: local === undefined ? undefined : options.socket, tokenFile: options.tokenFile }),
    })
    addProbeRoutes(app, deps)
    addApiRoutes(app, deps.source, deps.logs)
    addPageRoutes(app, { page: deps.page, events: deps.events, keys: pageKeys, isOwn })
    addPinRoutes(app, deps.pins)
    addPrewarmRoutes(app, deps.prewarm)
    addScheduleRoutes(app, deps.prewarm)
    addPurgeRoutes(app, deps.purges)
    addVerifyRoutes(app, deps.verify)
    addEventRoutes(app, deps.events)
    addWhyRoute(app, deps.why)
    await addHookRoutes(app, deps.hooks)
    try {
      await app.ready()
      local = await openLocal(app, options, { sockets: localSockets, logger: deps.logger })
      await app.listen({ ...options.listen })
    } catch (cause) {
      await closeServer(local)
      await app.close()
      throw listenError(cause, options.listen)
    }
    const bound = app.server.address() as AddressInfo // a TCP server that listens has one
    return new AdminServer(app, local, { host: options.listen.host, port: bound.port })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeServer(this.#local)
    await this.#app.close()
  }
}

/** The same routes on a unix socket; its connections are noted in `sockets`. */
async function openLocal(
  app: FastifyInstance,
  { socket: path, needsSocket }: AdminServerOptions,
  { sockets, logger }: { readonly sockets: WeakSet<Socket>; readonly logger: Logger },
): Promise<Server | undefined> {
  if (path === undefined) return undefined
  let server: Server
  try {
    server = await listenOnSocket(path, (request, response) => {
      sockets.add(request.socket)
      app.routing(request, response)
    })
  } catch (error) {
    if (needsSocket) throw error
    logger.warn({ reason: errorText(error) }, 'no admin socket: users of this host need the token')
    return undefined
  }
  server.requestTimeout = REQUEST_TIMEOUT_MS
  boundConnections(server, Math.min(MAX_CONNECTIONS, ownFileShares().adminSocket))
  return server
}

async function closeServer(server: Server | undefined): Promise<void> {
  if (server === undefined) return
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

function listenError(cause: unknown, address: Address): ShoalError {
  if (isShoalError(cause)) return cause
  const code = errnoCode(cause) ?? errorText(cause)
  const why = code === 'EADDRINUSE' ? 'something else listens there; is another agent running?' : code
  return new ShoalError('CONFIG_INVALID', `admin.listen: cannot listen on ${addressText(address)}: ${why}`, { cause })
}

/** Bodies are read as fastify reads them, unless they are nested too deep to be read at all. */
function readShallowJson(app: FastifyInstance): void {
  const read = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (isTooDeep(body)) done(new HttpRefusal(400, 'BODY_INVALID', 'the body is nested too deep'))
    else read(request, body, done)
  })
}

import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { fastify } from 'fastify'
import { boundConnections } from '../base/bound-connections.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { guardRequests } from './guard.ts'
import { addHookRoutes } from './hook-routes.ts'
import type { AdminSource, HookSink, MetricsText, PinSource, PrewarmSource, VerifySource } from './interface.ts'
import { answerErrors } from './json-error.ts'
import { listenOnSocket } from './local-socket.ts'
import { addPinRoutes } from './pin-routes.ts'
import { addPrewarmRoutes } from './prewarm-routes.ts'
import { addApiRoutes, addProbeRoutes } from './routes.ts'
import { addVerifyRoutes } from './verify-routes.ts'

const MAX_BODY_BYTES = 64 * 1024
const MAX_CONNECTIONS = 256
const REQUEST_TIMEOUT_MS = 30_000

export interface AdminDoorDeps {
  readonly source: AdminSource
  readonly metrics: MetricsText
  readonly pins: PinSource
  readonly hooks: HookSink
  readonly prewarm: PrewarmSource
  readonly verify: VerifySource
  readonly logger: Logger
}

export interface AdminDoorOptions {
  /** Port 0 takes a free one. */
  readonly host: string
  readonly port: number
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
export class AdminDoor implements AsyncDisposable {
  readonly #app: FastifyInstance
  readonly #local: Server | undefined
  readonly address: { readonly host: string; readonly port: number }

  private constructor(app: FastifyInstance, local: Server | undefined, address: { host: string; port: number }) {
    this.#app = app
    this.#local = local
    this.address = address
  }

  /** Starts listening. Throws `CONFIG_INVALID` when the address cannot be had. */
  static async start(deps: AdminDoorDeps, options: AdminDoorOptions): Promise<AdminDoor> {
    const app = fastify({
      logger: false,
      bodyLimit: MAX_BODY_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      forceCloseConnections: true,
    })
    // Only JSON: a web page can send text/plain anywhere without asking first.
    app.removeContentTypeParser('text/plain')
    boundConnections(app.server, MAX_CONNECTIONS)
    answerErrors(app, deps.logger)
    let local: Server | undefined
    const localSockets = new WeakSet<Socket>()
    guardRequests(app, {
      token: options.token,
      isClosed: options.isClosed,
      listenHost: options.host,
      isLocalSocket: (socket) => localSockets.has(socket),
      places: () => ({ socket: local === undefined ? undefined : options.socket, tokenFile: options.tokenFile }),
    })
    addProbeRoutes(app, deps)
    addApiRoutes(app, deps.source)
    addPinRoutes(app, deps.pins)
    addPrewarmRoutes(app, deps.prewarm)
    addVerifyRoutes(app, deps.verify)
    await addHookRoutes(app, deps.hooks)
    try {
      await app.ready()
      local = await openLocal(app, options, { sockets: localSockets, logger: deps.logger })
      await app.listen({ host: options.host, port: options.port })
    } catch (cause) {
      await closeServer(local)
      await app.close()
      throw listenError(cause, options)
    }
    const bound = app.server.address() as AddressInfo // a TCP server that listens has one
    return new AdminDoor(app, local, { host: options.host, port: bound.port })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeServer(this.#local)
    await this.#app.close()
  }
}

/** The same routes on a unix socket; its connections are noted in `sockets`. */
async function openLocal(
  app: FastifyInstance,
  { socket: path, needsSocket }: AdminDoorOptions,
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
  boundConnections(server, MAX_CONNECTIONS)
  return server
}

async function closeServer(server: Server | undefined): Promise<void> {
  if (server === undefined) return
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

function listenError(cause: unknown, { host, port }: AdminDoorOptions): ShoalError {
  if (isShoalError(cause)) return cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed'
  const why = code === 'EADDRINUSE' ? 'something else listens there; is another agent running?' : code
  return new ShoalError('CONFIG_INVALID', `admin.listen: cannot listen on ${host}:${port}: ${why}`, { cause })
}

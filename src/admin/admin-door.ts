import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { fastify } from 'fastify'
import { boundConnections } from '../base/bound-connections.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { guardRequests } from './guard.ts'
import { addHookRoutes } from './hook-routes.ts'
import type { AdminSource, HookSink, MetricsText, PinSource, PrewarmSource } from './interface.ts'
import { answerErrors } from './json-error.ts'
import { addPinRoutes } from './pin-routes.ts'
import { addPrewarmRoutes } from './prewarm-routes.ts'
import { addApiRoutes, addProbeRoutes } from './routes.ts'

const MAX_BODY_BYTES = 64 * 1024
const MAX_CONNECTIONS = 256
const REQUEST_TIMEOUT_MS = 30_000

export interface AdminDoorDeps {
  readonly source: AdminSource
  readonly metrics: MetricsText
  readonly pins: PinSource
  readonly hooks: HookSink
  readonly prewarm: PrewarmSource
  readonly logger: Logger
}

export interface AdminDoorOptions {
  /** Port 0 takes a free one. */
  readonly host: string
  readonly port: number
  /** What requests must carry as a Bearer token; undefined only on loopback. */
  readonly token: string | undefined
}

/** Health, metrics, status and control over HTTP. Disposing ends open connections and frees the port. */
export class AdminDoor implements AsyncDisposable {
  readonly #app: FastifyInstance
  readonly address: { readonly host: string; readonly port: number }

  private constructor(app: FastifyInstance, address: { host: string; port: number }) {
    this.#app = app
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
    guardRequests(app, { token: options.token, listenHost: options.host })
    addProbeRoutes(app, deps)
    addApiRoutes(app, deps.source)
    addPinRoutes(app, deps.pins)
    addPrewarmRoutes(app, deps.prewarm)
    await addHookRoutes(app, deps.hooks)
    try {
      await app.listen({ host: options.host, port: options.port })
    } catch (cause) {
      await app.close()
      throw listenError(cause, options)
    }
    const bound = app.server.address() as AddressInfo // a TCP server that listens has one
    return new AdminDoor(app, { host: options.host, port: bound.port })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app.close()
  }
}

function listenError(cause: unknown, { host, port }: AdminDoorOptions): ShoalError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed'
  const why = code === 'EADDRINUSE' ? 'something else listens there; is another agent running?' : code
  return new ShoalError('CONFIG_INVALID', `admin.listen: cannot listen on ${host}:${port}: ${why}`, { cause })
}

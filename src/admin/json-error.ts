import type { FastifyError, FastifyInstance } from 'fastify'
import type { ErrorCode } from '../base/errors.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'

/** A request this server refuses by itself. */
export class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal'
  readonly statusCode: number
  readonly code: string
  /** What a client may want to know beside it. */
  readonly more: Readonly<Record<string, unknown>>

  constructor(statusCode: number, code: string, message: string, more: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.statusCode = statusCode
    this.code = code
    this.more = more
  }
}

const STATUS_OF = {
  CONFIG_INVALID: 400,
  DIGEST_INVALID: 400,
  NAME_INVALID: 400,
  REFERENCE_INVALID: 400,
  MANIFEST_INVALID: 502,
  ORIGIN_UNREACHABLE: 502,
  ORIGIN_THROTTLED: 503,
  ORIGIN_DENIED: 502,
  ORIGIN_UNKNOWN: 404,
  ORIGIN_CHANGED: 502,
  CONTENT_CORRUPT: 502,
  STORE_DISK_FULL: 507,
  STORE_CORRUPT: 503,
  STORE_FAILED: 500,
  PEER_GONE: 503,
  PEER_PROTOCOL: 502,
  PEER_REFUSED: 502,
  PREWARM_INVALID: 400,
  PREWARM_IMPOSSIBLE: 409,
  PREWARM_UNKNOWN: 404,
  ORDER_REQUIRED: 403,
  // a command's, never the daemon's
  SETUP_REFUSED: 500,
  UNAVAILABLE: 503,
} as const satisfies Record<ErrorCode, number>

/** Every answer that is not a success is `{error: {code, message}}`. */
export function answerErrors(app: FastifyInstance, logger: Logger): void {
  app.setNotFoundHandler(() => {
    throw new HttpRefusal(404, 'NOT_FOUND', 'there is no such route; see /api/v1/status, /metrics, /healthz')
  })
  app.setErrorHandler<FastifyError | Error>((error, request, reply) => {
    const { statusCode, code, message } = describe(error)
    if (statusCode === 500) logger.error({ err: error, method: request.method }, 'an admin request failed')
    else
      logger.debug(
        { err: error, method: request.method, route: request.routeOptions.url },
        'an admin request was refused',
      )
    const more = error instanceof HttpRefusal ? error.more : {}
    return reply.code(statusCode).send({ error: { code, message, ...more } })
  })
}

function describe(error: FastifyError | Error): { statusCode: number; code: string; message: string } {
  if (isShoalError(error)) return { statusCode: STATUS_OF[error.code], code: error.code, message: error.message }
  if (error instanceof HttpRefusal) return { statusCode: error.statusCode, code: error.code, message: error.message }
  const statusCode = 'statusCode' in error ? error.statusCode : undefined
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { statusCode, code: 'BAD_REQUEST', message: error.message }
  }
  if (error.name === 'TimeoutError')
    return { statusCode: 504, code: 'TIMEOUT', message: 'this took too long; try again' }
  return { statusCode: 500, code: 'INTERNAL', message: 'this request failed; the log of the agent says why' }
}

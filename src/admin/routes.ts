import type { FastifyInstance } from 'fastify'
import { CACHE_ANSWER_MS } from '../base/patience.ts'
import type { AdminSource, LogSource, MetricsText } from './interface.ts'
import { invalidateSchema, limitsPatchSchema, logPatchSchema, parseBody, readinessSchema } from './request-schema.ts'

/** For orchestrators and scrapers. */
export function addProbeRoutes(app: FastifyInstance, deps: { source: AdminSource; metrics: MetricsText }): void {
  app.get('/healthz', () => ({ status: 'ok' }))
  app.get('/readyz', (request, reply) => {
    const { want } = parseBody(readinessSchema, request.query)
    const readiness = deps.source.ready(want)
    return reply.code(readiness.ready ? 200 : 503).send(readiness)
  })
  app.get('/metrics', async (_request, reply) => {
    return reply.header('content-type', deps.metrics.contentType).send(await deps.metrics.text())
  })
}

/** For the commands and for scripts. */
export function addApiRoutes(app: FastifyInstance, source: AdminSource, logs: LogSource): void {
  app.get('/api/v1/status', () => source.status())
  app.get('/api/v1/transfers', () => ({ transfers: source.transfers() }))
  app.get('/api/v1/blobs', () => ({ blobs: source.blobs() }))
  app.get('/api/v1/peers', () => ({ peers: source.peers() }))
  app.get('/api/v1/limits', () => source.limits())
  app.patch('/api/v1/limits', (request) => source.setLimits(parseBody(limitsPatchSchema, request.body)))
  app.get('/api/v1/logs', () => logs.logs())
  app.patch('/api/v1/logs', (request) => {
    const { level, for: forMs } = parseBody(logPatchSchema, request.body)
    return logs.lendLevel(level, forMs)
  })
  app.post('/api/v1/invalidate', async (request) => {
    const { reference, order } = parseBody(invalidateSchema, request.body)
    const { digest, everywhere } = await source.invalidate(reference, order, AbortSignal.timeout(CACHE_ANSWER_MS))
    return { reference, digest: digest ?? null, everywhere }
  })
}

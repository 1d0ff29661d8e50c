import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ADMIN_ANSWER_MS } from '../base/patience.ts'
import { isPurgeId } from '../purge/index.ts'
import type { PurgeSource } from './interface.ts'
import { isOrder, obeySchema, parseBody, purgeSchema } from './request-schema.ts'

const paramsSchema = z.object({ id: z.string().refine(isPurgeId, { error: 'is no id of a purge' }) })

/** Images that are to leave every host. */
export function addPurgeRoutes(app: FastifyInstance, purges: PurgeSource): void {
  const limit = (): AbortSignal => AbortSignal.timeout(ADMIN_ANSWER_MS)
  app.get('/api/v1/purge', async () => ({ purges: await purges.list(limit()) }))
  app.get('/api/v1/purge/:id', (request) => purges.show(parseBody(paramsSchema, request.params).id, limit()))
  app.post('/api/v1/purge', async (request, reply) => {
    reply.code(201)
    if (isOrder(request.body)) return purges.obey(parseBody(obeySchema, request.body).order, limit())
    const { references, repository, dryRun } = parseBody(purgeSchema, request.body)
    return purges.start(references, { repositories: repository, dryRun }, limit())
  })
}

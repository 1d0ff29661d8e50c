import type { FastifyInstance } from 'fastify'
import { ADMIN_ANSWER_MS } from '../base/patience.ts'
import type { VerifySource } from './interface.ts'
import { HttpRefusal } from './json-error.ts'
import { parseBody, verifySchema } from './request-schema.ts'

/** A comparison of what is stored with its digests: begun, followed and ended by requests of their own, as it may take hours. */
export function addVerifyRoutes(app: FastifyInstance, verify: VerifySource): void {
  app.post('/api/v1/verify', (request) => {
    const { targets } = parseBody(verifySchema, request.body)
    return verify.start(targets, AbortSignal.timeout(ADMIN_ANSWER_MS))
  })
  app.get('/api/v1/verify', () => viewOf(verify))
  app.delete('/api/v1/verify', async () => {
    await verify.stop()
    return viewOf(verify)
  })
}

function viewOf(verify: VerifySource) {
  const view = verify.view()
  if (view === undefined) throw new HttpRefusal(404, 'NOT_FOUND', 'nothing has been verified since the start')
  return view
}

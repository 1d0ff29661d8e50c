import type { FastifyInstance } from 'fastify'
import { ADMIN_ANSWER_MS } from '../base/patience.ts'
import type { PinSource } from './interface.ts'
import { parseBody, pinSchema, unpinSchema } from './request-schema.ts'

/** Images that must stay on this host for a while. */
export function addPinRoutes(app: FastifyInstance, pins: PinSource): void {
  app.get('/api/v1/pins', () => ({ pins: pins.list() }))
  app.post('/api/v1/pins', (request) => {
    const { reference, for: forMs, platform } = parseBody(pinSchema, request.body)
    return pins.pin(reference, { forMs, platform }, AbortSignal.timeout(ADMIN_ANSWER_MS))
  })
  // In the query: not everything between here and a client passes a body on with DELETE.
  app.delete('/api/v1/pins', async (request) => {
    const { reference } = parseBody(unpinSchema, request.query)
    return { reference, unpinned: await pins.unpin(reference) }
  })
}

import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { HostEvent } from '../base/events.ts'
import { ADMIN_ANSWER_MS } from '../base/patience.ts'
import { ALIVE_MS, EventStream } from './event-stream.ts'
import type { EventSource, WhySource } from './interface.ts'
import { eventsQuerySchema, parseBody, whyQuerySchema } from './request-schema.ts'

/** What happens on this host as it happens: pulls, refusals, the tier, jobs. */
export function addEventRoutes(app: FastifyInstance, events: EventSource): void {
  app.get('/api/v1/events', async (request, reply) => {
    const { since } = parseBody(eventsQuerySchema, request.query)
    const lastId = Number(request.headers['last-event-id'] ?? since)
    const stream = new EventStream(reply)
    const send = (event: HostEvent): void => {
      // a reader that does not read would have them pile up here; by the next id it sees that some are missing
      if (!stream.isBehind) sendEvent(stream, event)
    }
    for (const event of events.since(Number.isFinite(lastId) ? lastId : 0)) send(event)
    using _listening = events.listen(send)
    const alive = setInterval(() => stream.sayAlive(), ALIVE_MS)
    if (!stream.left.aborted) await once(stream.left, 'abort')
    clearInterval(alive)
  })
}

export function sendEvent(stream: EventStream, { id, kind, epochMs, fields }: HostEvent): void {
  stream.send(kind, { kind, time: new Date(epochMs).toISOString(), ...fields }, id)
}

/** What is known and said about one image. */
export function addWhyRoute(app: FastifyInstance, source: WhySource): void {
  app.get('/api/v1/why', (request) => {
    const { reference } = parseBody(whyQuerySchema, request.query)
    return source.why(reference, AbortSignal.timeout(ADMIN_ANSWER_MS))
  })
}

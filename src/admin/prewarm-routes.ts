import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { isShoalError } from '../base/errors.ts'
import { ADMIN_ANSWER_MS } from '../base/patience.ts'
import type { PrewarmView } from '../prewarm/index.ts'
import { isFinal, isJobId, isScheduleId } from '../prewarm/index.ts'
import { ALIVE_MS, EventStream } from './event-stream.ts'
import type { PrewarmSource } from './interface.ts'
import { gateQuerySchema, isOrder, obeySchema, parseBody } from './request-schema.ts'

const EVENT_EVERY_MS = 1_000
const ALIVE_EVERY = ALIVE_MS / EVENT_EVERY_MS
/** Failures in a row after which a stream ends: its client comes back by itself. */
const MAX_FAILURES = 30

const paramsSchema = z.object({ id: z.string().refine(isJobId, { error: 'is no id of a job' }) })
/** What is not about the job itself; the rest is read by the prewarm service. */
const startSchema = z.looseObject({ dryRun: z.boolean().default(false), id: paramsSchema.shape.id.optional() })

const scheduleParamsSchema = z.object({ id: z.string().refine(isScheduleId, { error: 'is no id of a schedule' }) })
const scheduleSchema = z.looseObject({ schedule: z.unknown() })

/** Jobs that begin by the clock. */
export function addScheduleRoutes(app: FastifyInstance, prewarm: PrewarmSource): void {
  const limit = (): AbortSignal => AbortSignal.timeout(ADMIN_ANSWER_MS)
  app.get('/api/v1/prewarm/schedules', async () => ({ schedules: await prewarm.schedules(limit()) }))
  app.post('/api/v1/prewarm/schedules', async (request, reply) => {
    reply.code(201)
    if (isOrder(request.body)) return prewarm.obeySchedule(parseBody(obeySchema, request.body).order, limit())
    const { schedule, ...job } = parseBody(scheduleSchema, request.body)
    return prewarm.schedule(job, schedule, limit())
  })
  app.delete('/api/v1/prewarm/schedules/:id', (request) =>
    prewarm.unschedule(parseBody(scheduleParamsSchema, request.params).id, limit()),
  )
}

/** Jobs that make images present on hosts before anybody pulls them. */
export function addPrewarmRoutes(app: FastifyInstance, prewarm: PrewarmSource): void {
  const limit = (): AbortSignal => AbortSignal.timeout(ADMIN_ANSWER_MS)
  const idOf = (params: unknown): string => parseBody(paramsSchema, params).id
  app.get('/api/v1/prewarm', async () => ({ jobs: await prewarm.list(limit()) }))
  app.post('/api/v1/prewarm', async (request, reply) => {
    if (isOrder(request.body)) {
      const { order } = parseBody(obeySchema, request.body)
      return reply.code(201).send(await prewarm.obey(order, undefined, limit()))
    }
    const { dryRun, id, ...job } = parseBody(startSchema, request.body)
    if (dryRun) return prewarm.plan(job, limit())
    return reply.code(201).send(await prewarm.start(job, id, limit()))
  })
  app.get('/api/v1/prewarm/gate', async (request, reply) => {
    const { image, quorum, hosts } = parseBody(gateQuerySchema, request.query)
    const gate = await prewarm.gate(image, { quorumPercent: quorum, hosts }, limit())
    return reply.code(gate.open ? 200 : 503).send(gate)
  })
  app.get('/api/v1/prewarm/:id', (request) => prewarm.show(idOf(request.params), limit()))
  app.get('/api/v1/prewarm/:id/hosts', async (request) => ({
    hosts: await prewarm.hosts(idOf(request.params), limit()),
  }))
  app.patch('/api/v1/prewarm/:id', (request) => {
    const id = idOf(request.params)
    if (!isOrder(request.body)) return prewarm.edit(id, request.body, limit())
    return prewarm.obey(parseBody(obeySchema, request.body).order, id, limit())
  })
  app.delete('/api/v1/prewarm/:id', (request) => prewarm.edit(idOf(request.params), { state: 'cancelled' }, limit()))
  app.get('/api/v1/prewarm/:id/events', async (request, reply) => {
    const id = idOf(request.params)
    // before the stream begins, so that a wrong id is a plain error
    const first = await prewarm.show(id, limit())
    await stream(reply, first, () => prewarm.show(id, limit()))
  })
}

/** The job as it changes, until it has ended or its reader has left. */
async function stream(reply: FastifyReply, first: PrewarmView, show: () => Promise<PrewarmView>): Promise<void> {
  const events = new EventStream(reply)
  let said = ''
  let quiet = 0
  let failures = 0
  for (let job = first; ; ) {
    const { seconds: _, ...news } = job
    const text = JSON.stringify(news)
    // a reader that does not read is not written to, and misses only what is old
    if (!events.isBehind || isFinal(job.state)) {
      if (text !== said) events.send('job', job)
      else if (quiet++ % ALIVE_EVERY === ALIVE_EVERY - 1) events.sayAlive()
      said = text
    }
    if (isFinal(job.state)) break
    try {
      await wait(EVENT_EVERY_MS, undefined, { signal: events.left })
      job = await show()
      failures = 0
    } catch (error) {
      if (events.left.aborted) return
      if (isShoalError(error, 'PREWARM_UNKNOWN') || ++failures > MAX_FAILURES) break
    }
  }
  events.end()
}

import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { isShoalError } from '../base/errors.ts'
import type { PrewarmView } from '../prewarm/index.ts'
import { isFinal, isJobId } from '../prewarm/index.ts'
import type { PrewarmSource } from './interface.ts'
import { obeySchema, parseBody } from './request-schema.ts'

/** Plans ask the origin for manifests and every region for its hosts. */
const TIMEOUT_MS = 25_000
const EVENT_EVERY_MS = 1_000
/** A stream that has nothing new says so, so that what lies between does not cut it. */
const ALIVE_EVERY = 15
/** Failures in a row after which a stream ends: its client comes back by itself. */
const MAX_FAILURES = 30

const paramsSchema = z.object({ id: z.string().refine(isJobId, { error: 'is no id of a job' }) })
/** What is not about the job itself; the rest is read by the prewarm service. */
const startSchema = z.looseObject({ dryRun: z.boolean().default(false), id: paramsSchema.shape.id.optional() })

/** Jobs that make images present on hosts before anybody pulls them. */
export function addPrewarmRoutes(app: FastifyInstance, prewarm: PrewarmSource): void {
  const limit = (): AbortSignal => AbortSignal.timeout(TIMEOUT_MS)
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

function isOrder(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'order' in body
}

/** Server-sent events: the job as it changes, until it has ended or its reader has left. */
async function stream(reply: FastifyReply, first: PrewarmView, show: () => Promise<PrewarmView>): Promise<void> {
  reply.hijack()
  const { raw } = reply
  const left = new AbortController()
  raw.once('close', () => left.abort())
  // who leaves is noticed by that
  raw.on('error', () => {})
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
  raw.writeHead(200, headers)
  let said = ''
  let quiet = 0
  let failures = 0
  for (let job = first; ; ) {
    const { seconds: _, ...news } = job
    const text = JSON.stringify(news)
    // a reader that does not read is not written to, and misses only what is old
    if (raw.writableNeedDrain !== true || isFinal(job.state)) {
      if (text !== said) raw.write(`event: job\ndata: ${JSON.stringify(job)}\n\n`)
      else if (quiet++ % ALIVE_EVERY === ALIVE_EVERY - 1) raw.write(': nothing new\n\n')
      said = text
    }
    if (isFinal(job.state)) break
    try {
      await wait(EVENT_EVERY_MS, undefined, { signal: left.signal })
      job = await show()
      failures = 0
    } catch (error) {
      if (left.signal.aborted) return
      if (isShoalError(error, 'PREWARM_UNKNOWN') || ++failures > MAX_FAILURES) break
    }
  }
  raw.end()
}

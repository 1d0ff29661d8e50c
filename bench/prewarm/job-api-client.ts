import { z } from 'zod'
import { ShoalError } from '../../src/base/errors.ts'
import type { AgentProcess } from '../../src/demo/index.ts'

const FINAL = new Set(['done', 'failed', 'cancelled'])

const jobSchema = z.object({
  id: z.string(),
  state: z.string(),
  reason: z.string().nullable(),
  hosts: z.object({ ready: z.number(), failed: z.number(), skipped: z.number() }),
})
export type EndedJob = z.infer<typeof jobSchema>

const hostsSchema = z.object({ hosts: z.array(z.object({ blobsDone: z.number() })) })

/** Starts a job at the cache's admin server; returns its id. */
export async function submitJob(cache: AgentProcess, job: object): Promise<string> {
  const body = JSON.stringify(job)
  const answer = await fetch(`${cache.adminUrl}/api/v1/prewarm`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(await cache.adminHeaders()) },
    body,
  })
  const text = await answer.text()
  if (!answer.ok) throw new ShoalError('UNAVAILABLE', `the cache refused the job: ${text}`)
  return jobSchema.parse(JSON.parse(text)).id
}

/** The job if it has ended; else tells how many hosts are ready. */
export async function endedJob(
  cache: AgentProcess,
  id: string,
  running: (ready: number) => void,
): Promise<EndedJob | undefined> {
  const job = jobSchema.parse(await ask(cache, id))
  if (FINAL.has(job.state)) return job
  running(job.hosts.ready)
  return undefined
}

/** How many (host, blob) pairs the cache knows to be done. */
export async function hostStates(cache: AgentProcess, id: string): Promise<number> {
  const { hosts } = hostsSchema.parse(await ask(cache, `${id}/hosts`))
  return hosts.reduce((sum, { blobsDone }) => sum + blobsDone, 0)
}

/** Waits for as long as it takes. */
async function ask(cache: AgentProcess, path: string): Promise<unknown> {
  const headers = await cache.adminHeaders()
  const answer = await fetch(`${cache.adminUrl}/api/v1/prewarm/${path}`, { headers })
  const text = await answer.text()
  if (!answer.ok) throw new ShoalError('UNAVAILABLE', `the cache does not tell of the job: ${text}`)
  return JSON.parse(text)
}

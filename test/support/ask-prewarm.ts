import assert from 'node:assert/strict'
import type { HostView, PrewarmView } from '../../src/prewarm/index.ts'
import { eventually } from './eventually.ts'

/** A daemon, in a process of its own or in this one. */
interface Asked {
  readonly adminUrl: string
  adminHeaders(): Promise<Record<string, string>>
}

interface Asking {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly body?: unknown
}

/** What a daemon's admin server says to a request below /api/v1/prewarm; fails for anything but success. */
export async function askPrewarm<T = PrewarmView>(host: Asked, path: string, asking: Asking = {}): Promise<T> {
  const { status, body } = await tryPrewarm(host, path, asking)
  assert.ok(status < 300, `${status} ${JSON.stringify(body)}`)
  return body as T // the server's own JSON
}

/** The same, whatever it says. */
export async function tryPrewarm(
  host: Asked,
  path: string,
  { method = 'GET', body }: Asking,
): Promise<{ status: number; body: unknown }> {
  const own = await host.adminHeaders()
  const response = await fetch(`${host.adminUrl}/api/v1/prewarm${path}`, {
    method,
    headers: body === undefined ? own : { ...own, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })
  return { status: response.status, body: await response.json() }
}

export async function prewarmHosts(host: Asked, id: string): Promise<HostView[]> {
  return (await askPrewarm<{ hosts: HostView[] }>(host, `/${id}/hosts`)).hosts
}

/** The job once it has ended. A cache that is being replaced may not answer for a moment. */
export async function prewarmEnded(host: Asked, id: string, timeoutMs = 60_000): Promise<PrewarmView> {
  const seen = await eventually(
    `job ${id} has ended`,
    async () => {
      const { status, body } = await tryPrewarm(host, `/${id}`, {})
      const job = body as PrewarmView // the server's own JSON
      return status === 200 && ['done', 'failed', 'cancelled'].includes(job.state) ? job : undefined
    },
    timeoutMs,
  )
  assert.ok(seen)
  return seen
}

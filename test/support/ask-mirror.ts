import assert from 'node:assert/strict'
import { request } from 'undici'

export interface Reply {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: Buffer
}

export interface Asking {
  readonly method?: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string
}

/** One request to a mirror, whatever its status, with its whole body. */
export async function askMirror(server: { readonly url: string }, path: string, asking: Asking = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body = null } = asking
  const answer = await request(`${server.url}${path}`, { method: method as 'GET', headers, body })
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) }
}

/** The code of an error as registries say it. */
export function errorCode(reply: Reply): string {
  assert.equal(reply.headers['content-type'], 'application/json')
  return JSON.parse(reply.body.toString()).errors[0].code
}

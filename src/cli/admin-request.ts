import { request as httpRequest } from 'node:http'
import type { AdminTarget } from './admin-target.ts'

export interface AdminRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: object
  readonly signal: AbortSignal
}

export interface AdminResponse {
  readonly status: number
  readonly text: string
}

/** One request to an admin server. Rejects with what the transport says, or with the signal's reason. */
export function sendAdmin(target: AdminTarget, request: AdminRequest): Promise<AdminResponse> {
  return target.kind === 'socket' ? overSocket(target.path, request) : overTcp(target, request)
}

async function overTcp({ url, token }: AdminTarget & { kind: 'url' }, request: AdminRequest): Promise<AdminResponse> {
  const { method, path, body, signal } = request
  const headers = headersOf(request)
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  const text = body === undefined ? null : JSON.stringify(body)
  const response = await fetch(new URL(path, url), { method, headers, redirect: 'error', signal, body: text })
  return { status: response.status, text: await response.text() }
}

function overSocket(socketPath: string, request: AdminRequest): Promise<AdminResponse> {
  const { method, path, body, signal } = request
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      socketPath,
      method,
      path,
      headers: { ...headersOf(request), host: 'localhost' },
      signal,
    })
    outgoing.once('error', (error) => reject(signal.aborted ? signal.reason : error))
    outgoing.once('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk)).once('error', reject)
      incoming.once('end', () => {
        resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
      })
    })
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function headersOf({ body }: AdminRequest): Record<string, string> {
  return body === undefined
    ? { accept: 'application/json' }
    : { accept: 'application/json', 'content-type': 'application/json' }
}

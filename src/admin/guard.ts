import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isCrossSite } from '../base/cross-site.ts'
import { HOOK_PATHS } from './hook-routes.ts'
import { HttpRefusal } from './json-error.ts'

/** Open to everyone who reaches the port: a load balancer or orchestrator has no token, and they tell nothing. */
const OPEN_PATHS = new Set(['/healthz', '/readyz'])

export interface GuardOptions {
  readonly token: string | undefined
  readonly listenHost: string
}

/**
 * Refuses requests that should not be here: those a web page of another site sends, which a browser does without
 * asking. With a token: those that do not carry it. Without: those whose Host is no name of this machine, because a
 * web page whose DNS name was re-bound to 127.0.0.1 could send them from any browser on this host. (Such a page has no
 * token, so with one any Host will do, as scrapers use host names.)
 */
export function guardRequests(app: FastifyInstance, { token, listenHost }: GuardOptions): void {
  const expected = token === undefined ? undefined : sha256(token)
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
    if (isCrossSite(request.headers))
      throw new HttpRefusal(403, 'SITE_REFUSED', 'a web page of another site may not ask')
    // Webhooks have secrets of their own: registries are not told this door's token, and reach it by any name.
    if (HOOK_PATHS.has(request.routeOptions.url ?? '')) return
    if (expected === undefined) {
      if (!isLocalHost(request.headers.host, listenHost)) throw new HttpRefusal(403, 'HOST_REFUSED', HOST_HELP)
      return
    }
    if (OPEN_PATHS.has(request.routeOptions.url ?? '')) return
    if (hasToken(request, expected)) return
    reply.header('www-authenticate', 'Bearer realm="shoal admin"')
    throw new HttpRefusal(401, 'TOKEN_REQUIRED', 'send the content of admin.tokenFile as Authorization: Bearer ...')
  })
}

const HOST_HELP = 'the Host header must name this machine: localhost, 127.0.0.1 or [::1]'

function hasToken(request: FastifyRequest, expected: Buffer): boolean {
  const match = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')
  // Hashing first makes the lengths equal, so that the comparison takes the same time for any guess.
  return match !== null && timingSafeEqual(sha256(match[1] ?? ''), expected)
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function isLocalHost(header: string | undefined, listenHost: string): boolean {
  const host = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(header ?? '')
  const name = (host?.[1] ?? host?.[2] ?? '').toLowerCase()
  const isLoopback = name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
  return isLoopback || (name !== '' && name === listenHost.toLowerCase())
}

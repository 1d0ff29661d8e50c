import { createHash, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import { isIP } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isCrossSite } from '../base/cross-site.ts'
import { accessOf } from './access.ts'
import { HttpRefusal } from './json-error.ts'

interface Places {
  readonly socket: string | undefined
  readonly tokenFile: string
}

export interface GuardOptions {
  /** What makes a request this host's own when it comes over TCP. */
  readonly token: string
  /** Whether `look` wants the token, too: off loopback, and where the operator has named a token file. */
  readonly isClosed: boolean
  readonly listenHost: string
  /** Whether a connection came over the unix socket: the rights of its file are the proof. */
  readonly isLocalSocket: (socket: Socket) => boolean
  /** For who has neither: where they are. */
  readonly places: () => Places
}

/**
 * Refuses requests that should not be here: those a web page of another site sends, which a browser does without
 * asking; those whose Host is no name of this machine, because a web page whose DNS name was re-bound to 127.0.0.1 could
 * send them from any browser on this host (such a page has no token, so with one any Host will do, as scrapers use host
 * names); and those that do not show what their route wants.
 */
export function guardRequests(app: FastifyInstance, options: GuardOptions): void {
  const expected = sha256(options.token)
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) {
      if (accessOf(one, url) === undefined) throw new TypeError(`${one} ${url} is in no table of access`)
    }
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
    if (isCrossSite(request.headers))
      throw new HttpRefusal(403, 'SITE_REFUSED', 'a web page of another site may not ask')
    if (options.isLocalSocket(request.socket)) return
    const access = accessOf(request.method, request.routeOptions.url) ?? 'own'
    // Webhooks have secrets of their own: registries are not told this server's token, and reach it by any name.
    if (access === 'hook' || hasToken(request, expected)) return
    if (access === 'open' && options.isClosed) return
    if (!options.isClosed && !isLocalHost(request.headers.host, options.listenHost))
      throw new HttpRefusal(403, 'HOST_REFUSED', HOST_HELP)
    if (access === 'open' || (access === 'look' && !options.isClosed)) return
    reply.header('www-authenticate', 'Bearer realm="shoal admin"')
    const places = options.places()
    throw new HttpRefusal(401, 'TOKEN_REQUIRED', tokenHelp(places), { socket: places.socket })
  })
}

const HOST_HELP = 'the Host header must name this machine: localhost, 127.0.0.1 or [::1]'

function tokenHelp({ socket, tokenFile }: Places): string {
  const help = `send the token in ${tokenFile} as Authorization: Bearer ...`
  const other = socket === undefined ? '' : `, or ask over the socket ${socket}`
  return `this is for root and for the agent's own user: ${help}${other}`
}

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

import { createHash, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isCrossSite } from '../base/cross-site.ts'
import { createHostGuard } from '../base/host-guard.ts'
import { accessOf } from './access.ts'
import { HttpRefusal } from './json-error.ts'
import type { PageKeys } from './page-keys.ts'

interface Places {
  readonly socket: string | undefined
  readonly tokenFile: string
}

interface GuardOptions {
  /** What makes a request this host's own when it comes over TCP. */
  readonly token: string
  /** Whether `look` wants the token, too: off loopback, and where the operator has named a token file. */
  readonly isClosed: boolean
  readonly listenHost: string
  /** Keys that let a page look. */
  readonly pageKeys: PageKeys
  /** Whether a connection came over the unix socket: the rights of its file are the proof. */
  readonly isLocalSocket: (socket: Socket) => boolean
  /** For those who have neither: where they are. */
  readonly places: () => Places
}

/**
 * Refuses requests that should not be here: those a web page of another site sends, which a browser does without
 * asking; those whose Host is no name of this machine, because a web page whose DNS name was re-bound to 127.0.0.1 could
 * send them from any browser on this host (such a page has no token, so with one any Host will do, as scrapers use host
 * names); and those that do not show what their route wants. Returns whether a request is this host's own.
 */
export function guardRequests(app: FastifyInstance, options: GuardOptions): (request: FastifyRequest) => boolean {
  const isOwn = ownership(options)
  const isMeant = createHostGuard(options.listenHost, () => [])
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) {
      if (accessOf(one, url) === undefined) throw new TypeError(`${one} ${url} is in no table of access`)
    }
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
    if (isCrossSite(request.headers))
      throw new HttpRefusal(403, 'SITE_REFUSED', 'a web page of another site may not ask')
    const access = accessOf(request.method, request.routeOptions.url) ?? 'own'
    // Webhooks have secrets of their own: registries are not told this server's token, and reach it by any name.
    if (access === 'hook' || isOwn(request)) return
    if (access === 'open' && options.isClosed) return
    if (!options.isClosed && !isMeant(request.headers.host)) throw new HttpRefusal(403, 'HOST_REFUSED', HOST_HELP)
    if (access === 'open' || (access === 'look' && !options.isClosed)) return
    reply.header('www-authenticate', 'Bearer realm="shoal admin"')
    const places = options.places()
    throw new HttpRefusal(401, 'TOKEN_REQUIRED', tokenHelp(places), { socket: places.socket })
  })
  return isOwn
}

/** The socket and the token may do all; the key of a page may look. */
function ownership({ token, pageKeys, isLocalSocket }: GuardOptions): (request: FastifyRequest) => boolean {
  const expected = sha256(token)
  return (request) => {
    if (isLocalSocket(request.socket)) return true
    const given = bearer(request)
    if (given === undefined) return false
    // Hashing first makes the lengths equal, so that the comparison takes the same time for any guess.
    if (timingSafeEqual(sha256(given), expected)) return true
    return (request.method === 'GET' || request.method === 'HEAD') && pageKeys.accepts(given)
  }
}

const HOST_HELP = 'the Host header must name this machine: localhost, 127.0.0.1 or [::1]'

function tokenHelp({ socket, tokenFile }: Places): string {
  const help = `send the token in ${tokenFile} as Authorization: Bearer ...`
  const other = socket === undefined ? '' : `, or ask over the socket ${socket}`
  return `this is for root and for the agent's own user: ${help}${other}`
}

function bearer({ headers }: FastifyRequest): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

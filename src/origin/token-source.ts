import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import { SingleFlight } from '../base/single-flight.ts'
import { bodyChunks, collect } from './body-stream.ts'
import type { BasicCredentials } from './docker-config.ts'
import type { HttpAnswer, HttpExchange } from './http-exchange.ts'
import { discardBody } from './http-exchange.ts'
import { statusError } from './http-status.ts'
import { mayReceiveCredentials } from './realm-trust.ts'

const MAX_TOKENS = 1024
const MAX_TOKEN_BYTES = 256 * 1024
const DEFAULT_LIFE_S = 60
const MAX_LIFE_S = 86_400
/** Tokens are renewed when this share of their life is over. */
const USABLE_SHARE = 0.9

const tokenSchema = z
  .object({ token: z.string().optional(), access_token: z.string().optional(), expires_in: z.number().optional() })
  .transform(({ token, access_token, expires_in }) => ({ token: token ?? access_token, lifeS: expires_in }))

/** What a Bearer challenge asks a client to fetch (distribution, "Token Authentication Specification"). */
export interface TokenQuery {
  readonly realm: URL
  readonly service: string | undefined
  readonly scope: string
}

export interface TokenSourceDeps {
  readonly exchange: HttpExchange
  readonly clock: Clock
  readonly logger: Logger
}

/** Bearer tokens, each fetched once by all who need it, and kept by realm, service, scope and identity. */
export class TokenSource {
  readonly #deps: TokenSourceDeps
  readonly #registry: URL
  readonly #stallMs: number
  readonly #tokens: ExpiringMap<string>
  readonly #flights = new SingleFlight<string>()
  #warned = false

  constructor(deps: TokenSourceDeps, registry: URL, stallMs: number) {
    this.#deps = deps
    this.#registry = registry
    this.#stallMs = stallMs
    this.#tokens = new ExpiringMap(deps.clock, MAX_TOKENS)
  }

  /**
   * A token for `query`. `credentials` go along only to a realm that may have them; else the token is anonymous.
   * `refused`, a token the registry did not take, is not given again. Throws `ORIGIN_*`.
   */
  async token(
    query: TokenQuery,
    credentials: BasicCredentials | undefined,
    options: { readonly refused?: string | undefined; readonly signal: AbortSignal },
  ): Promise<string> {
    const identity = this.#identityFor(query.realm, credentials)
    const key = JSON.stringify([query.realm.href, query.service, query.scope, identity?.username])
    const cached = this.#tokens.get(key)
    if (cached !== undefined && cached !== options.refused) return cached
    return this.#flights.run(key, (signal) => this.#fetch(key, query, identity, signal), options.signal)
  }

  #identityFor(realm: URL, credentials: BasicCredentials | undefined): BasicCredentials | undefined {
    if (credentials === undefined || mayReceiveCredentials(realm, this.#registry)) return credentials
    if (!this.#warned) {
      this.#warned = true
      this.#deps.logger.warn(
        { registry: this.#registry.host, realm: realm.host },
        'the registry names a token server on another domain; asking it without credentials',
      )
    }
    return undefined
  }

  async #fetch(key: string, query: TokenQuery, identity: BasicCredentials | undefined, signal: AbortSignal) {
    const url = new URL(query.realm)
    if (query.service !== undefined) url.searchParams.set('service', query.service)
    for (const scope of query.scope.split(' ')) url.searchParams.append('scope', scope)
    if (identity !== undefined) url.searchParams.set('account', identity.username)
    const answer = await this.#deps.exchange.ask({
      method: 'GET',
      url,
      headers: { accept: 'application/json' },
      ownHeaders: identity === undefined ? {} : { authorization: basicAuthorization(identity) },
      followRedirects: true,
      signal,
    })
    const { token, lifeS } = await this.#parse(answer, signal)
    const life = Math.min(Math.max(lifeS ?? DEFAULT_LIFE_S, DEFAULT_LIFE_S), MAX_LIFE_S)
    this.#tokens.set(key, token, life * USABLE_SHARE * 1000)
    return token
  }

  async #parse(answer: HttpAnswer, signal: AbortSignal): Promise<{ token: string; lifeS: number | undefined }> {
    const { clock } = this.#deps
    if (answer.status !== 200) {
      await discardBody(answer.body)
      throw statusError(answer)
    }
    const chunks = bodyChunks(answer.body, { clock, stallMs: this.#stallMs, signal, place: answer.place })
    const bytes = await collect(chunks, MAX_TOKEN_BYTES)
    const parsed = tokenSchema.safeParse(bytes === 'too large' ? undefined : parseJson(bytes))
    // A header cannot carry anything else, and a token with a line break in it is an attack.
    if (!parsed.success || !/^[\x21-\x7e]+$/.test(parsed.data.token ?? '')) {
      throw new ShoalError('ORIGIN_UNREACHABLE', `${answer.place} did not answer with a token`)
    }
    return { token: parsed.data.token ?? '', lifeS: parsed.data.lifeS }
  }
}

/** The value of an Authorization header for Basic (RFC 7617). */
export function basicAuthorization({ username, password }: BasicCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
}

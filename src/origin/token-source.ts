import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { Reach } from './address-guard.ts'
import { bodyChunks, collect } from './body-stream.ts'
import { encodingOf, plainDocument } from './content-encoding.ts'
import type { BasicCredentials, RegistryLogin } from './docker-config.ts'
import type { HttpAnswer, HttpExchange, HttpQuestion } from './http-exchange.ts'
import { discardBody } from './http-exchange.ts'
import { statusError } from './http-status.ts'
import { mayReceiveCredentials, REACH_OF_REALM, realmTrust } from './realm-trust.ts'
import type { TokenAnswer } from './token-answer.ts'
import { readTokenAnswer } from './token-answer.ts'

const MAX_TOKENS = 1024
const MAX_TOKEN_BYTES = 256 * 1024
const DEFAULT_LIFE_S = 60
const MAX_LIFE_S = 86_400
/** Tokens are renewed when this share of their life is over. */
const USABLE_SHARE = 0.9

/** What a Bearer challenge asks a client to fetch (distribution, "Token Authentication Specification"). */
export interface TokenQuery {
  readonly realm: URL
  readonly service: string | undefined
  readonly scope: string
}

interface TokenSourceDeps {
  readonly exchange: HttpExchange
  readonly clock: Clock
  readonly logger: Logger
}

interface TokenSourceSettings {
  readonly registry: URL
  /** Token servers the operator trusts with this registry's credentials; see realmTrust. */
  readonly trustedRealms: readonly string[]
  readonly stallMs: number
}

/** Bearer tokens, each fetched once by all who need it, and kept by realm, service, scope and identity. */
export class TokenSource {
  readonly #deps: TokenSourceDeps
  readonly #settings: TokenSourceSettings
  readonly #tokens: ExpiringMap<string>
  readonly #flights = new SingleFlight<string>()
  #warned = false

  constructor(deps: TokenSourceDeps, settings: TokenSourceSettings) {
    this.#deps = deps
    this.#settings = settings
    this.#tokens = new ExpiringMap(deps.clock, MAX_TOKENS)
  }

  /**
   * A token for `query`. `login` goes along only to a realm that may have them; else the token is anonymous.
   * `refused`, a token the registry did not take, is not given again. Throws `ORIGIN_*`.
   */
  async token(
    query: TokenQuery,
    login: RegistryLogin | undefined,
    options: { readonly refused?: string | undefined; readonly signal: AbortSignal },
  ): Promise<string> {
    const identity = this.#identityFor(query.realm, login)
    const key = JSON.stringify([query.realm.href, query.service, query.scope, whoIs(identity)])
    const cached = this.#tokens.get(key)
    if (cached !== undefined && cached !== options.refused) return cached
    return this.#flights.run(key, (signal) => this.#fetch(key, query, identity, signal), options.signal)
  }

  #identityFor(realm: URL, login: RegistryLogin | undefined): RegistryLogin | undefined {
    const { registry, trustedRealms } = this.#settings
    if (login === undefined || mayReceiveCredentials(realm, registry, trustedRealms)) return login
    if (!this.#warned) {
      this.#warned = true
      this.#deps.logger.warn(
        { registry: registry.host, realm: realm.host },
        'the registry names a token server on another domain or port: asked without credentials, and only at a public address; if it may have them, list it in trustedRealms of this origin',
      )
    }
    return undefined
  }

  /** A token comes from where the operator or the registry's owner says, or from where anybody could get it. */
  #reach(url: URL): Reach {
    const { registry, trustedRealms } = this.#settings
    return REACH_OF_REALM[realmTrust(url, registry, trustedRealms)]
  }

  async #fetch(key: string, query: TokenQuery, login: RegistryLogin | undefined, signal: AbortSignal) {
    const question = login?.kind === 'identity' ? exchangeQuestion(query, login.token) : plainQuestion(query, login)
    const answer = await this.#deps.exchange.ask({ ...question, reach: (hop) => this.#reach(hop), signal })
    const { token, lifeS } = await this.#parse(answer, signal)
    const life = Math.min(Math.max(lifeS ?? DEFAULT_LIFE_S, DEFAULT_LIFE_S), MAX_LIFE_S)
    this.#tokens.set(key, token, life * USABLE_SHARE * 1000)
    return token
  }

  async #parse(answer: HttpAnswer, signal: AbortSignal): Promise<TokenAnswer> {
    const { clock } = this.#deps
    if (answer.status < 200 || answer.status > 299) {
      await discardBody(answer.body)
      throw statusError(answer)
    }
    const chunks = bodyChunks(answer.body, { clock, stallMs: this.#settings.stallMs, signal, place: answer.place })
    const sent = await collect(chunks, MAX_TOKEN_BYTES)
    const encoding = encodingOf(answer.headers['content-encoding'])
    const bytes = sent === 'too large' ? sent : await plainDocument(sent, encoding, MAX_TOKEN_BYTES)
    const read = bytes === 'too large' ? undefined : readTokenAnswer(bytes)
    if (read === undefined) throw new ShoalError('ORIGIN_UNREACHABLE', `${answer.place} did not answer with a token`)
    return read
  }
}

/** Asks as docker does (distribution, "Token Authentication Specification"): the scopes one by one, name and password as Basic. */
function plainQuestion(query: TokenQuery, login: BasicCredentials | undefined): Omit<HttpQuestion, 'signal'> {
  const url = new URL(query.realm)
  if (query.service !== undefined) url.searchParams.set('service', query.service)
  for (const scope of query.scope.split(' ')) url.searchParams.append('scope', scope)
  if (login !== undefined) url.searchParams.set('account', login.username)
  const ownHeaders: Record<string, string> = login === undefined ? {} : { authorization: basicAuthorization(login) }
  return { method: 'GET', url, headers: { accept: 'application/json' }, ownHeaders, followRedirects: true }
}

/** Gives an identity token for an access token (distribution, "Docker Registry v2 authentication using OAuth2"). */
function exchangeQuestion(query: TokenQuery, token: string): Omit<HttpQuestion, 'signal'> {
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'shoal', refresh_token: token })
  if (query.service !== undefined) form.set('service', query.service)
  form.set('scope', query.scope)
  const headers = { accept: 'application/json' }
  return { method: 'POST', url: query.realm, form, headers, ownHeaders: {}, followRedirects: false }
}

/** Tells logins apart in a cache's key, wrong passwords of a name too, without keeping a secret in it. */
function whoIs(login: RegistryLogin | undefined): string | undefined {
  if (login === undefined) return undefined
  const proof = login.kind === 'identity' ? ['', login.token] : [login.username, login.password]
  return createHash('sha256').update(JSON.stringify(proof)).digest('base64')
}

/** The value of an Authorization header for Basic (RFC 7617). */
export function basicAuthorization({ username, password }: BasicCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** The name and password of a Basic header; undefined for any other. */
export function basicLogin(authorization: string | undefined): BasicCredentials | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  const [, username, password] = /^([^:]+):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? []
  return username === undefined || password === undefined ? undefined : { username, password }
}

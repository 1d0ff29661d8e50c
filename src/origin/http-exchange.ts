import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { LRUCache } from 'lru-cache'
import type { Dispatcher } from 'undici'
import { request as send } from 'undici'
import { systemClock } from '../base/clock.ts'
import { errnoCode } from '../base/errno.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import { retry } from '../base/retry.ts'
import type { Reach } from './address-guard.ts'
import { AddressGuard } from './address-guard.ts'
import { withConnection } from './connections.ts'
import { askLoosely, isLooseAnswer, isLooseHead } from './loose-http.ts'
import type { Transport } from './transport.ts'

const MAX_REDIRECTS = 10
const RETRY_WAIT_MS = 100
const DISCARD_BYTES = 64 * 1024
const MAX_LOOSE = 64
/** Failures of the connection itself, mostly a kept one that the server closed just then: worth one more try. */
const CONNECTION_ERRORS = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EAI_AGAIN', 'UND_ERR_SOCKET']

export interface HttpQuestion {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly url: URL
  /** What a POST sends, as a form. It goes to the first URL only: such a question follows no redirects. */
  readonly form?: URLSearchParams | undefined
  /** Sent on every hop: Accept, Range. */
  readonly headers: Readonly<Record<string, string>>
  /** Sent only while the redirects stay on the first URL's scheme, host and port: Authorization and the like. */
  readonly ownHeaders: Readonly<Record<string, string>>
  readonly followRedirects: boolean
  /** How far each hop may reach; default: as near as the registry itself. */
  readonly reach?: ((url: URL) => Reach) | undefined
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Must be read, discarded or destroyed. */
  readonly body: Readable
  /** A redirect led away from the first URL's scheme, host and port. */
  readonly elsewhere: boolean
  /** Of the last hop: secret, as it may be signed. */
  readonly url: URL
  /** For errors: scheme, host and port, never the path or query, which may be signed. */
  readonly place: string
}

interface ExchangeRules {
  /** Whether https may redirect to http. */
  readonly insecureRedirects: boolean
  /** Whether the registry itself is asked at public addresses only: nobody has configured it. */
  readonly publicOnly: boolean
}

interface Reply {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
}

/** Anonymous HTTP with redirects by hand. Throws `ORIGIN_UNREACHABLE`; every status is an answer. */
export class HttpExchange implements AsyncDisposable {
  readonly #transport: Transport
  readonly #insecureRedirects: boolean
  readonly #guard: AddressGuard
  readonly #userAgent: string

  /** Servers (scheme, host and port) whose HTTP only a loose reader reads. */
  readonly #loose = new LRUCache<string, true>({ max: MAX_LOOSE })
  /** A connection serves only requests that may reach as far as the one it was made for. */
  readonly #dispatchers = new Map<Reach, Dispatcher>()

  constructor(registry: URL, userAgent: string, transport: Transport, rules: ExchangeRules) {
    const { insecureRedirects, publicOnly } = rules
    this.#userAgent = userAgent
    this.#guard = new AddressGuard(publicOnly ? undefined : registry.hostname)
    this.#transport = transport
    this.#insecureRedirects = insecureRedirects
  }

  async ask(question: HttpQuestion): Promise<HttpAnswer> {
    let url = question.url
    let ownHeaders = question.ownHeaders
    let elsewhere = false
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const reach = question.reach?.(url) ?? 'registry'
      const refusal = this.#guard.refusal(url, reach)
      if (refusal !== undefined) throw refused(refusal)
      const answer = await this.#askOnce(question, url, ownHeaders, reach)
      const location = redirectTarget(answer)
      if (location === undefined || !question.followRedirects) return { ...answer, elsewhere, url, place: url.origin }
      await discardBody(answer.body)
      const next = resolveRedirect(location, url, this.#insecureRedirects)
      if (next.origin !== url.origin) {
        elsewhere = true
        ownHeaders = {}
      }
      url = next
    }
    throw refused(`${question.url.origin} redirects more than ${MAX_REDIRECTS} times`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()))
  }

  /** Most hosts never ask an origin, only their caches do: authorities are read with the first question. */
  #dispatcher(reach: Reach): Dispatcher {
    const known = this.#dispatchers.get(reach)
    if (known !== undefined) return known
    const made = this.#transport.dispatcher(this.#guard.lookup(reach))
    this.#dispatchers.set(reach, made)
    return made
  }

  async #askOnce(
    { method, headers, form, signal }: HttpQuestion,
    url: URL,
    ownHeaders: Readonly<Record<string, string>>,
    reach: Reach,
  ) {
    signal.throwIfAborted()
    const dispatcher = this.#dispatcher(reach)
    const all: Record<string, string> = {
      'user-agent': this.#userAgent,
      'accept-encoding': 'identity',
      ...headers,
      ...ownHeaders,
    }
    const body = form?.toString() ?? null
    if (form !== undefined) all['content-type'] = 'application/x-www-form-urlencoded'
    const loosely = async (): Promise<Reply> => {
      const { headersTimeoutMs } = this.#transport.options
      const agent = { ...this.#transport.agentOptions(), lookup: this.#guard.lookup(reach) }
      const reply = await askLoosely(url, { method, headers: all, body, headersTimeoutMs, signal }, agent)
      return { statusCode: reply.statusCode ?? 0, headers: reply.headers, body: reply }
    }
    const ask = async (): Promise<Reply> => {
      if (this.#loose.get(url.origin) === true) return loosely()
      const reply = await send(url, { method, headers: all, body, dispatcher, signal }).catch((error: unknown) => {
        if (signal.aborted || !isLooseAnswer(errnoCode(error) ?? '', errorText(error))) throw error
      })
      if (reply !== undefined && !isLooseHead(reply.headers)) return reply
      reply?.body.on('error', () => {}).destroy()
      this.#loose.set(url.origin, true)
      return loosely()
    }
    try {
      const attempt = () => withConnection(signal, ask, ({ body }) => (method === 'HEAD' ? undefined : body))
      const {
        statusCode: status,
        headers: received,
        body: content,
      } = await retry(attempt, {
        clock: systemClock,
        waitsMs: [RETRY_WAIT_MS],
        signal,
        isPassing: (error) => CONNECTION_ERRORS.includes(errnoCode(error) ?? ''),
      })
      // Without a listener, an error of a body nobody reads any more would end the process.
      content.on('error', () => {})
      return { status, headers: received, body: content }
    } catch (cause) {
      signal.throwIfAborted()
      if (isShoalError(cause)) throw cause
      const why = errorText(cause) || (errnoCode(cause) ?? '')
      throw new ShoalError('ORIGIN_UNREACHABLE', `${url.origin} cannot be reached: ${why}`, { cause })
    }
  }
}

/** Reads a small body to its end, so that its connection can be used again; drops a larger one. Never throws. */
export async function discardBody(body: Readable): Promise<void> {
  let seen = 0
  try {
    for await (const chunk of body) {
      seen += chunk.length
      if (seen > DISCARD_BYTES) break
    }
  } catch {
    // Nobody wanted it.
  }
}

function redirectTarget(answer: { status: number; headers: IncomingHttpHeaders }): string | undefined {
  return [301, 302, 303, 307, 308].includes(answer.status) ? answer.headers.location : undefined
}

function resolveRedirect(location: string, from: URL, insecureRedirects: boolean): URL {
  const next = URL.parse(location, from.href)
  if (next === null || (next.protocol !== 'https:' && next.protocol !== 'http:')) {
    throw refused(`${from.origin} redirects to something that is no http(s) URL`)
  }
  if (from.protocol === 'https:' && next.protocol === 'http:' && !insecureRedirects) {
    throw refused(`${from.origin} redirects from https to http; set insecureRedirects: true on the origin to follow`)
  }
  next.username = ''
  next.password = ''
  return next
}

function refused(message: string): ShoalError {
  return new ShoalError('ORIGIN_UNREACHABLE', message)
}

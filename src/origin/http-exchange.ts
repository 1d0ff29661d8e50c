import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import pRetry from 'p-retry'
import type { Dispatcher } from 'undici'
import { request as send } from 'undici'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Reach } from './address-guard.ts'
import { AddressGuard } from './address-guard.ts'
import type { Transport } from './transport.ts'

const MAX_REDIRECTS = 10
const RETRY_WAIT_MS = 100
const DISCARD_BYTES = 64 * 1024
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
  /** For errors: scheme, host and port, never the path or query, which may be signed. */
  readonly place: string
}

/** Anonymous HTTP with redirects by hand. Throws `ORIGIN_UNREACHABLE`; every status is an answer. */
export class HttpExchange implements AsyncDisposable {
  readonly #transport: Transport
  readonly #insecureRedirects: boolean
  readonly #guard: AddressGuard
  readonly #userAgent: string

  /** A connection serves only requests that may reach as far as the one it was made for. */
  readonly #dispatchers = new Map<Reach, Dispatcher>()

  /** `insecureRedirects`: whether https may redirect to http. */
  constructor(registry: URL, userAgent: string, transport: Transport, insecureRedirects: boolean) {
    this.#userAgent = userAgent
    this.#guard = new AddressGuard(registry.hostname)
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
      if (location === undefined || !question.followRedirects) return { ...answer, elsewhere, place: url.origin }
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
    try {
      const attempt = () => send(url, { method, headers: all, body, dispatcher, signal })
      const {
        statusCode: status,
        headers: received,
        body: content,
      } = await pRetry(attempt, {
        retries: 1,
        minTimeout: RETRY_WAIT_MS,
        unref: true,
        signal,
        shouldRetry: ({ error }) => CONNECTION_ERRORS.includes(codeOf(error)),
      })
      // Without a listener, an error of a body nobody reads any more would end the process.
      content.on('error', () => {})
      return { status, headers: received, body: content }
    } catch (cause) {
      signal.throwIfAborted()
      if (isShoalError(cause)) throw cause
      const why = errorText(cause) || codeOf(cause)
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
  const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined
  if (next === undefined || (next.protocol !== 'https:' && next.protocol !== 'http:')) {
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

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

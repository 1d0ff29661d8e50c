import { ShoalError } from '../base/errors.ts'
import { isRepositoryName } from '../oci/reference.ts'
import { bodyChunks, collect } from './body-stream.ts'
import type { AccessMode, RegistryOriginSettings } from './config.ts'
import type { HttpAnswer, HttpQuestion } from './http-exchange.ts'
import { discardBody, HttpExchange } from './http-exchange.ts'
import { challengeOf, statusError } from './http-status.ts'
import type { OriginQuery } from './interface.ts'
import type { OriginDeps, OriginOptions } from './options.ts'
import { refusedAnswer } from './refused-answer.ts'
import { RegistryAuth } from './registry-auth.ts'
import { TokenSource } from './token-source.ts'
import { Transport } from './transport.ts'

export interface RegistryQuestion extends OriginQuery {
  readonly method: 'GET' | 'HEAD'
  /** Below `/v2/<repository>/`, with its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Default true. */
  readonly followRedirects?: boolean | undefined
}

/** More than any error document has. */
const MAX_ERROR_BYTES = 64 * 1024

/** One registry's pull API with authentication. Answers are those of the last hop; 401 means the proof was refused. */
export class RegistryClient implements AsyncDisposable {
  readonly url: URL
  readonly #deps: OriginDeps
  readonly #options: OriginOptions
  readonly #exchange: HttpExchange
  readonly #auth: RegistryAuth

  constructor(settings: RegistryOriginSettings & { access: AccessMode }, deps: OriginDeps, options: OriginOptions) {
    this.url = registryUrl(settings.url)
    this.#deps = deps
    const transport = new Transport(settings, options)
    this.#options = transport.options
    const userAgent = `shoal/${deps.version ?? 'dev'}`
    this.#exchange = new HttpExchange(this.url, userAgent, transport, settings.insecureRedirects ?? false)
    const { clock, logger } = deps
    const { access, credentials, trustedRealms = [] } = settings
    const { stallMs } = this.#options
    const tokens = new TokenSource(
      { exchange: this.#exchange, clock, logger },
      { registry: this.url, trustedRealms, stallMs },
    )
    this.#auth = new RegistryAuth({ registry: this.url, access, credentials }, tokens, {
      clock,
      challenge: (signal) => this.challenge(signal),
    })
  }

  /** Throws `ORIGIN_*`, `NAME_INVALID`. */
  async ask(question: RegistryQuestion): Promise<HttpAnswer> {
    if (!isRepositoryName(question.repository)) {
      throw new ShoalError('NAME_INVALID', `not a repository name: ${question.repository.slice(0, 150)}`)
    }
    const answer = await this.#askProven(question)
    // A link to storage that has expired meanwhile: the registry makes a new one.
    if (!answer.elsewhere || ![401, 403, 410].includes(answer.status)) return answer
    await discardBody(answer.body)
    return this.#askProven(question)
  }

  /** The challenge of `GET /v2/`, as the registry wrote it; undefined when it lets everybody in. */
  async challenge(signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#exchange.ask({
      method: 'GET',
      url: new URL('v2/', this.url),
      headers: {},
      ownHeaders: LOOP_GUARD,
      followRedirects: true,
      signal,
    })
    await discardBody(answer.body)
    if (answer.status === 401) return challengeOf(answer.headers)
    if (answer.status === 200) return undefined
    throw statusError(answer)
  }

  /** A body as chunks; see bodyChunks. */
  chunks(answer: HttpAnswer, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { place, body } = answer
    return bodyChunks(body, { clock: this.#deps.clock, stallMs: this.#options.stallMs, signal, place })
  }

  /** A whole body of at most `maxBytes`. */
  async whole(answer: HttpAnswer, maxBytes: number, signal: AbortSignal): Promise<Uint8Array | 'too large'> {
    return collect(this.chunks(answer, signal), maxBytes)
  }

  /** What an answer that is no success means: the registry's own "unknown", or an error. Reads the body. */
  async refusal(answer: HttpAnswer, { authorization, signal }: OriginQuery): Promise<'unknown' | ShoalError> {
    const bytes = await this.whole(answer, MAX_ERROR_BYTES, signal)
    const text = bytes === 'too large' ? '' : Buffer.from(bytes).toString('utf8')
    return refusedAnswer(answer, text, authorization !== undefined && authorization !== '')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exchange[Symbol.asyncDispose]()
  }

  async #askProven(question: RegistryQuestion): Promise<HttpAnswer> {
    const { repository, signal } = question
    const used = await this.#auth.first(repository, question.authorization, signal)
    const answer = await this.#askOnce(question, used)
    if (answer.status !== 401 || answer.elsewhere) return answer
    const challenge = challengeOf(answer.headers)
    const better = await this.#auth.afterRefusal({ repository, challenge, used }, signal)
    if (better === undefined) return answer
    await discardBody(answer.body)
    return this.#askOnce(question, better)
  }

  async #askOnce(question: RegistryQuestion, authorization: string | undefined): Promise<HttpAnswer> {
    const http: HttpQuestion = {
      method: question.method,
      url: new URL(`v2/${question.repository}/${question.path}`, this.url),
      headers: question.headers ?? {},
      ownHeaders: authorization === undefined ? LOOP_GUARD : { ...LOOP_GUARD, authorization },
      followRedirects: question.followRedirects ?? true,
      signal: question.signal,
    }
    const answer = await this.#exchange.ask(http)
    const encoding = answer.headers['content-encoding']?.toLowerCase() ?? ''
    // Only what would be passed on matters: error pages may come in any shape.
    if (answer.status >= 300 || encoding === '' || encoding === 'identity') return answer
    await discardBody(answer.body)
    throw new ShoalError('ORIGIN_CHANGED', `${answer.place} sends content with an encoding although none was accepted`)
  }
}

/** Tells a Shoal that is by mistake its own upstream, directly or through others, that it asks itself. */
const LOOP_GUARD: Readonly<Record<string, string>> = { 'x-shoal-mirrored': 'true' }

/** The configured URL as a base to resolve `v2/...` against. Docker Hub's API has a host name of its own. */
function registryUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new ShoalError('CONFIG_INVALID', "a registry origin's url must be a plain http(s) URL without user info")
  }
  if (url.host === 'docker.io' || url.host === 'index.docker.io') url.host = 'registry-1.docker.io'
  url.search = ''
  url.hash = ''
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/`
  return url
}

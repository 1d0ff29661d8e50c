import { raceAbort } from '../base/abort.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import { HOPS_HEADER, hopsText, newHopName } from '../base/mirror-hops.ts'
import { isRepositoryName } from '../oci/reference.ts'
import { bodyChunks, collect } from './body-stream.ts'
import type { AccessMode, RegistryOriginSettings } from './config.ts'
import { encodingOf, isKnownEncoding, plainDocument } from './content-encoding.ts'
import type { HttpAnswer, HttpQuestion } from './http-exchange.ts'
import { discardBody, HttpExchange } from './http-exchange.ts'
import { challengeOf, statusError } from './http-status.ts'
import type { OriginQuery } from './interface.ts'
import { KeptRedirects } from './kept-redirects.ts'
import type { OriginDeps, OriginOptions } from './options.ts'
import { refusedAnswer } from './refused-answer.ts'
import { RegistryAuth } from './registry-auth.ts'
import { TokenSource } from './token-source.ts'
import { Transport } from './transport.ts'

interface RegistryQuestion extends OriginQuery {
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
  readonly #redirects: KeptRedirects
  readonly #hopName: string
  readonly #namespace: string | null

  constructor(settings: RegistryOriginSettings & { access: AccessMode }, deps: OriginDeps, options: OriginOptions) {
    this.url = registryUrl(settings.url)
    this.#hopName = deps.hopName ?? newHopName()
    this.#namespace = settings.namespace ?? null
    this.#deps = deps
    this.#redirects = new KeptRedirects(deps.clock)
    const transport = new Transport(settings, options)
    this.#options = transport.options
    const userAgent = `shoal/${deps.version ?? 'dev'}`
    this.#exchange = new HttpExchange(this.url, userAgent, transport, {
      insecureRedirects: settings.insecureRedirects ?? false,
      publicOnly: settings.publicOnly ?? false,
    })
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
    const key = redirectKey(question)
    if (key === undefined) return this.#askRegistry(question)
    const told = this.#redirects.told(key)
    if (told !== undefined) await raceAbort(told, question.signal)
    const known = this.#redirects.find(key)
    const direct = known === undefined ? undefined : await this.#askStorage(question, key, known)
    if (direct !== undefined) return direct
    using _asking = this.#redirects.asking(key)
    const answer = await this.#askRegistry(question)
    if (answer.elsewhere && isContent(answer)) this.#redirects.keep(key, answer.url)
    return answer
  }

  async #askRegistry(question: RegistryQuestion): Promise<HttpAnswer> {
    const answer = await this.#askProven(question)
    // A link to storage that has expired meanwhile: the registry makes a new one.
    if (!answer.elsewhere || ![401, 403, 410].includes(answer.status)) return answer
    await discardBody(answer.body)
    return this.#askProven(question)
  }

  /** Asks where the registry has led before, without any credentials. Undefined when that is no longer the way. */
  async #askStorage({ headers, signal }: RegistryQuestion, key: string, url: URL): Promise<HttpAnswer | undefined> {
    const http: HttpQuestion = {
      method: 'GET',
      url,
      headers: headers ?? {},
      ownHeaders: {},
      followRedirects: true,
      signal,
    }
    try {
      const answer = await this.#exchange.ask(http)
      // too much to do is no reason to ask two servers
      if (isContent(answer) || answer.status === 429 || answer.status === 503) return { ...answer, elsewhere: true }
      await discardBody(answer.body)
    } catch (error) {
      signal.throwIfAborted()
      if (!isShoalError(error, 'ORIGIN_UNREACHABLE')) throw error
    }
    this.#redirects.forget(key, url)
    return undefined
  }

  /** The challenge of `GET /v2/`, as the registry wrote it; undefined when it lets everybody in. */
  async challenge(signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#exchange.ask({
      method: 'GET',
      url: this.#at('v2/'),
      headers: {},
      ownHeaders: this.#ownHeaders(undefined),
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

  /** A whole document of at most `maxBytes`, without its content encoding. */
  async whole(answer: HttpAnswer, maxBytes: number, signal: AbortSignal): Promise<Uint8Array | 'too large'> {
    const bytes = await collect(this.chunks(answer, signal), maxBytes)
    if (bytes === 'too large') return bytes
    return plainDocument(bytes, encodingOf(answer.headers['content-encoding']), maxBytes)
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
    const refusal = { repository, challenge, used, given: question.authorization }
    const better = await this.#auth.afterRefusal(refusal, signal)
    if (better === undefined) return answer
    await discardBody(answer.body)
    return this.#askOnce(question, better)
  }

  /** A mirror of several registries is told which one is meant (distribution-spec, "Registry Proxying"). */
  #at(path: string): URL {
    const url = new URL(path, this.url)
    if (this.#namespace !== null) url.searchParams.set('ns', this.#namespace)
    return url
  }

  /** A Shoal that is by mistake its own origin, directly or through others, is told that it asks itself. */
  #ownHeaders(authorization: string | undefined): Readonly<Record<string, string>> {
    const hops = { [HOPS_HEADER]: hopsText(this.#hopName) }
    return authorization === undefined ? hops : { ...hops, authorization }
  }

  async #askOnce(question: RegistryQuestion, authorization: string | undefined): Promise<HttpAnswer> {
    const http: HttpQuestion = {
      method: question.method,
      url: this.#at(`v2/${question.repository}/${question.path}`),
      headers: question.headers ?? {},
      ownHeaders: this.#ownHeaders(authorization),
      followRedirects: question.followRedirects ?? true,
      signal: question.signal,
    }
    const answer = await this.#exchange.ask(http)
    const encoding = encodingOf(answer.headers['content-encoding'])
    // Only what would be passed on matters: error pages may come in any shape.
    if (answer.status >= 300 || encoding === undefined || isKnownEncoding(encoding)) return answer
    await discardBody(answer.body)
    throw new ShoalError(
      'ORIGIN_CHANGED',
      `${answer.place} sends content in the encoding ${encoding.slice(0, 40)} although none was accepted`,
    )
  }
}

/**
 * Under which name a redirect of this question is kept: only where it holds for everybody (not for one client's proof),
 * and for what it was signed for, which is a GET.
 */
function redirectKey({ method, path, repository, authorization }: RegistryQuestion): string | undefined {
  const isKept = method === 'GET' && path.startsWith('blobs/') && authorization === undefined
  return isKept ? `${repository}/${path}` : undefined
}

/** Whether the storage gives what was asked for, or knows its length. */
function isContent({ status }: HttpAnswer): boolean {
  return status === 200 || status === 206 || status === 416
}

/** The configured URL as a base to resolve `v2/...` against. Docker Hub's API has a host name of its own. */
function registryUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new ShoalError('CONFIG_INVALID', "a registry origin's url must be a plain http(s) URL without user info")
  }
  if (url.host === 'docker.io' || url.host === 'index.docker.io') url.host = 'registry-1.docker.io'
  url.search = ''
  url.hash = ''
  // the API's root is often copied from a browser
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(/\/v2$/, '')}/`
  return url
}

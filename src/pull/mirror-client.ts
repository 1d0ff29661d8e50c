import type { Dispatcher } from 'undici'
import { Agent } from 'undici'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import { productVersion } from '../base/version.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf, parseDigest } from '../oci/digest.ts'
import { MANIFEST_ACCEPT, MAX_MANIFEST_BYTES } from '../oci/manifest.ts'
import { tagOrDigestText } from '../oci/reference.ts'
import type { Received } from './blob-sources.ts'
import { parseReceived } from './blob-sources.ts'
import type { PullTarget } from './options.ts'
import { pullTargetText } from './options.ts'

/** Silence of the mirror after which a request counts as failed: longer than any server may think (10 s). */
const HEADERS_TIMEOUT_MS = 60_000
const BODY_TIMEOUT_MS = 120_000
const MAX_ERROR_BYTES = 64 * 1024
/** What a mirror's log calls this command. */
const USER_AGENT = `shoal/${productVersion()}`

const errorsSchema = z.object({ errors: z.array(z.object({ message: z.string() })).min(1) })

/** Manifest bytes, proven by `digest`. */
export interface FetchedManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** A blob's body from some offset on. `source` is what the mirror says of where it came from. */
interface BlobBody {
  readonly start: number
  readonly source: string | undefined
  readonly body: AsyncIterable<Uint8Array>
}

/** An answer that says "not now", and may be better the next time. Never leaves this room. */
export class PassingFailure extends Error {
  override readonly name = 'PassingFailure'
}

/** The pull half of the OCI distribution API at one mirror, as a container runtime uses it. */
export class MirrorClient implements AsyncDisposable {
  readonly #base: URL
  readonly #target: PullTarget
  readonly #agent = new Agent({ headersTimeout: HEADERS_TIMEOUT_MS, bodyTimeout: BODY_TIMEOUT_MS, connections: 16 })

  constructor(mirror: string, target: PullTarget) {
    const url = URL.parse(mirror)
    if (url === null || !/^https?:$/.test(url.protocol)) {
      throw new ShoalError('CONFIG_INVALID', `--mirror: "${mirror}" is no http(s) URL`)
    }
    this.#base = url
    this.#target = target
  }

  /** The target's digest by HEAD, as runtimes ask first; undefined when the mirror does not say: why, a GET's body tells. */
  async resolve(signal: AbortSignal): Promise<Digest | undefined> {
    const { target } = this.#target
    if (target.kind === 'digest') return target.digest
    const response = await this.#request(
      'HEAD',
      `manifests/${target.tag}`,
      { accept: MANIFEST_ACCEPT.join(', ') },
      signal,
    )
    await response.body.dump()
    const header = response.headers['docker-content-digest']
    return response.statusCode === 200 && typeof header === 'string' ? parseDigest(header) : undefined
  }

  /** A manifest by digest, or by the target's tag when the digest is not known yet. */
  async manifest(digest: Digest | undefined, signal: AbortSignal): Promise<FetchedManifest> {
    const reference = digest ?? tagOrDigestText(this.#target.target)
    const response = await this.#request(
      'GET',
      `manifests/${reference}`,
      { accept: MANIFEST_ACCEPT.join(', ') },
      signal,
    )
    if (response.statusCode !== 200) {
      throw await this.#refusal(response, digest ?? pullTargetText(this.#target), `the manifest ${reference}`)
    }
    const bytes = await readAtMost(response.body, MAX_MANIFEST_BYTES)
    const actual = digestOf(bytes, digest ?? 'sha256')
    if (digest !== undefined && actual !== digest) {
      throw new ShoalError('CONTENT_CORRUPT', `the manifest ${digest} came with other content (${actual})`)
    }
    const mediaType = String(response.headers['content-type'] ?? '').split(';', 1)[0] ?? ''
    return { digest: actual, mediaType, bytes }
  }

  /** Opens a blob from byte `start` on. Throws PassingFailure when another try may help. */
  async blob(digest: Digest, size: number, start: number, signal: AbortSignal): Promise<BlobBody> {
    const headers = start === 0 ? {} : { range: `bytes=${start}-` }
    const response = await this.#request('GET', `blobs/${digest}`, headers, signal)
    const { statusCode } = response
    const isPart = statusCode === 206 && start > 0
    if (!isPart && statusCode !== 200) {
      // Where a resume is refused the mirror may be on its way back; where the first request is, it has none.
      if (start === 0) throw await this.#refusal(response, digest, `the blob ${digest}`)
      await response.body.dump()
      throw new PassingFailure(`the mirror answered ${statusCode} to a resume of ${digest}`)
    }
    const announced = isPart ? rangeOf(response.headers['content-range']) : wholeOf(response.headers['content-length'])
    if (announced !== undefined && (announced.total !== size || (isPart && announced.start !== start))) {
      response.body.destroy()
      throw new ShoalError(
        'CONTENT_CORRUPT',
        `the mirror announces other bytes for ${digest} than its manifest does (${announced.total}, not ${size})`,
      )
    }
    const source = response.headers['x-shoal-source']
    return { start: isPart ? start : 0, source: typeof source === 'string' ? source : undefined, body: response.body }
  }

  /** Where the mirror has had a blob from lately, which it knows once the blob is there; undefined when it does not say. */
  async received(digest: Digest, signal: AbortSignal): Promise<Received | undefined> {
    const response = await this.#request('HEAD', `blobs/${digest}`, {}, signal)
    await response.body.dump()
    const header = response.headers['x-shoal-received']
    return typeof header === 'string' ? parseReceived(header) : undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy()
  }

  async #request(
    method: 'GET' | 'HEAD',
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { upstream, repository } = this.#target
    const url = new URL(this.#base)
    url.pathname = `${url.pathname.replace(/\/$/, '')}/v2/${repository}/${path}`
    if (upstream !== undefined) url.searchParams.set('ns', upstream)
    try {
      return await this.#agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers: { 'accept-encoding': 'identity', 'user-agent': USER_AGENT, ...headers },
        signal,
      })
    } catch (cause) {
      signal.throwIfAborted()
      throw new PassingFailure(`${this.#base.origin} does not answer (${causeText(cause)}): is the agent running?`, {
        cause,
      })
    }
  }

  /** Why the mirror has no `what`, in its own words. */
  async #refusal({ statusCode, body }: Dispatcher.ResponseData, what: string, asked: string): Promise<Error> {
    const { origin } = this.#base
    const why = reasonIn(await readAtMost(body, MAX_ERROR_BYTES).catch(() => undefined))
    if (statusCode === 404) {
      return new ShoalError('UNAVAILABLE', `${origin} has no ${what} (404): ${why ?? 'it does not say why'}`)
    }
    if (statusCode === 401 || statusCode === 403) {
      return new ShoalError(
        'ORIGIN_DENIED',
        `${origin} refuses ${what} (${statusCode})${why === undefined ? '' : `: ${why}`}`,
      )
    }
    return unexpected(statusCode, asked)
  }
}

/** The message of the distribution spec's error body. */
function reasonIn(body: Uint8Array | undefined): string | undefined {
  return errorsSchema.safeParse(parseJson(body ?? '')).data?.errors[0]?.message
}

export function causeText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  return code ?? error.message
}

function unexpected(statusCode: number, what: string): Error {
  const message = `the mirror answered ${statusCode} to a request for ${what}`
  return statusCode >= 500 || statusCode === 429 ? new PassingFailure(message) : new ShoalError('UNAVAILABLE', message)
}

async function readAtMost(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) throw new ShoalError('MANIFEST_INVALID', `the manifest is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

interface Announced {
  readonly start: number
  readonly total: number
}

function rangeOf(header: string | string[] | undefined): Announced | undefined {
  const match = typeof header === 'string' ? /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header) : null
  return match === null ? undefined : { start: Number(match[1]), total: Number(match[3]) }
}

function wholeOf(header: string | string[] | undefined): Announced | undefined {
  return typeof header === 'string' ? { start: 0, total: Number(header) } : undefined
}

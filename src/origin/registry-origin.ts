import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf, parseDigest, referrersTag, requireDigest } from '../oci/digest.ts'
import { MANIFEST_ACCEPT, MAX_MANIFEST_BYTES, MEDIA_TYPE } from '../oci/manifest.ts'
import { isTag } from '../oci/reference.ts'
import type { ByteRange } from '../piece/piece-layout.ts'
import { exactBytes, noBytes } from './body-stream.ts'
import type { AccessMode, RegistryOriginSettings } from './config.ts'
import { encodingOf, plainChunks } from './content-encoding.ts'
import type { HttpAnswer } from './http-exchange.ts'
import { discardBody } from './http-exchange.ts'
import { statusError } from './http-status.ts'
import type {
  BlobReadQuery,
  Origin,
  OriginManifest,
  OriginQuery,
  TagPage,
  TagResolution,
  TagState,
} from './interface.ts'
import type { OriginDeps, OriginOptions } from './options.ts'
import { bytesToSkip, parseContentRange } from './range-answer.ts'
import { mayBeAboutRange, RangeManners } from './range-manners.ts'
import { isOwnUnknown, isPage, mayBeManifest } from './refused-answer.ts'
import { RegistryClient } from './registry-client.ts'
import { listRegistryTags } from './registry-tags.ts'

const GENERAL_TYPE = /^(?:text\/.*|(?:application|binary)\/(?:json|octet-stream|xml|x-.*|force-download|download))$/
const ACCEPT_MANIFESTS = { accept: MANIFEST_ACCEPT.join(', ') }

/** An origin behind the OCI pull API (distribution-spec, "Pull"). */
export class RegistryOrigin implements Origin {
  readonly kind = 'registry'
  readonly label: string
  readonly #client: RegistryClient
  readonly #maxSkipBytes: number
  /** Whether HEADs of blobs have been worth the question: some registries refuse them, lead elsewhere, or do not say whose "no" it is. */
  #headTells = true
  readonly #ranges: RangeManners

  constructor(settings: RegistryOriginSettings & { access: AccessMode }, deps: OriginDeps, options: OriginOptions) {
    this.#client = new RegistryClient(settings, deps, options)
    this.#maxSkipBytes = options.maxSkipBytes
    this.#ranges = new RangeManners(deps.clock)
    this.label = `registry ${this.#client.url.origin}${this.#client.url.pathname.replace(/\/$/, '')}`
  }

  async resolveTag(query: OriginQuery & { tag: string; known?: TagState | undefined }): Promise<TagResolution> {
    if (!isTag(query.tag)) throw new ShoalError('REFERENCE_INVALID', `not a tag: ${query.tag.slice(0, 150)}`)
    const path = `manifests/${query.tag}`
    // whoever knows nothing of the tag needs the manifest next: one question where one is enough
    if (query.known === undefined) return this.#resolveByGet(query, path)
    const head = await this.#client.ask({ ...query, method: 'HEAD', path, headers: ACCEPT_MANIFESTS })
    await discardBody(head.body)
    if (isOwnUnknown(head)) return { kind: 'unknown' }
    if (isFinal(head)) throw statusError(head)
    if (head.status === 200 && digestHeader(head) === query.known.digest) return { kind: 'unchanged' }
    // another digest, or none: what the tag points to now is needed next, and proves itself
    const resolution = await this.#resolveByGet(query, path)
    const isSame = resolution.kind === 'found' && resolution.state.digest === query.known.digest
    return isSame ? { kind: 'unchanged' } : resolution
  }

  async manifest(query: OriginQuery & { digest: Digest }): Promise<OriginManifest | undefined> {
    return (await this.#getManifest(query, `manifests/${requireDigest(query.digest)}`))?.manifest
  }

  async statBlob(query: OriginQuery & { digest: Digest }): Promise<{ readonly size: number } | undefined> {
    const stat = await this.#statBlob(query)
    if (stat?.size !== 0 || digestOf(new Uint8Array(), query.digest) === query.digest) return stat
    throw new ShoalError('ORIGIN_UNREACHABLE', `${this.label} sends nothing where a blob should be`)
  }

  async #statBlob(query: OriginQuery & { digest: Digest }): Promise<{ readonly size: number } | undefined> {
    const path = `blobs/${requireDigest(query.digest)}`
    if (!this.#headTells) return this.#statByGet(query, path)
    const head = await this.#client.ask({ ...query, method: 'HEAD', path, followRedirects: false })
    await discardBody(head.body)
    if (isOwnUnknown(head)) return undefined
    const size = head.status === 200 && !isPage(head) ? contentLength(head) : undefined
    if (size !== undefined) return { size }
    if (isFinal(head)) throw statusError(head)
    return this.#statByGet(query, path)
  }

  async readBlob(query: BlobReadQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { range, size } = query
    if (range.start === range.end) return this.#readNothing(query)
    if (range.start === 0 && range.end === size) return this.#read(query, undefined)
    const mayTakeWhole = query.onWhole !== undefined && !this.#ranges.taken
    if (!mayTakeWhole) return this.#read(query, range)
    if (this.#ranges.refused) return this.#read(query, undefined)
    try {
      return await this.#read(query, range)
    } catch (error) {
      if (!mayBeAboutRange(error)) throw error
      const whole = await this.#read(query, undefined)
      if (whole !== undefined) this.#ranges.noteRefused()
      return whole
    }
  }

  /** Asks for a range, or for the whole where a server may not take ranges. */
  async #read(query: BlobReadQuery, asked: ByteRange | undefined): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { range, size, signal } = query
    const headers = asked === undefined ? {} : { range: `bytes=${asked.start}-${asked.end - 1}` }
    const path = `blobs/${requireDigest(query.digest)}`
    const answer = await this.#client.ask({ ...query, method: 'GET', path, headers })
    const { status, place } = answer
    if (status !== 200 && status !== 206) return this.#refused(answer, query)
    try {
      if (isPage(answer) && contentLength(answer) !== size) {
        throw new ShoalError('ORIGIN_UNREACHABLE', `${place} sends a page where a blob should be`)
      }
      const told = answer.headers['content-range']
      const sent = { status, contentRange: told, contentLength: contentLength(answer) }
      if (isEncodedAnew(answer, size)) return this.#readEncoded(answer, query)
      const isAll = range.start === 0 && range.end === size
      const sendsWhole = !isAll && status === 200 && query.onWhole !== undefined
      const expected = sendsWhole ? { start: 0, end: size } : range
      const skip = bytesToSkip(sent, { range: expected, size, maxSkipBytes: this.#maxSkipBytes, place })
      if (sendsWhole) query.onWhole?.()
      else if (status === 206) this.#ranges.noteTaken()
      return exactBytes(this.#client.chunks(answer, signal), { skip, length: expected.end - expected.start, place })
    } catch (error) {
      answer.body.destroy()
      throw error
    }
  }

  /** What is encoded on its way has no length that means anything, and is read from its beginning. */
  #readEncoded(answer: HttpAnswer, { range, size, onWhole, signal }: BlobReadQuery): AsyncIterable<Uint8Array> {
    const { place } = answer
    const sendsWhole = onWhole !== undefined && (range.start > 0 || range.end < size)
    const { start, end } = sendsWhole ? { start: 0, end: size } : range
    if (answer.status !== 200 || start > this.#maxSkipBytes) {
      throw new ShoalError(
        'ORIGIN_CHANGED',
        `${place} sends a part of content with an encoding although none was accepted`,
      )
    }
    if (sendsWhole) onWhole()
    const chunks = plainChunks(
      this.#client.chunks(answer, signal),
      encodingOf(answer.headers['content-encoding']) ?? '',
    )
    return exactBytes(chunks, { skip: start, length: end - start, place })
  }

  listTags(
    query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
  ): Promise<TagPage | undefined> {
    return listRegistryTags(this.#client, query)
  }

  async referrers(
    query: OriginQuery & { digest: Digest; artifactType?: string | undefined },
  ): Promise<OriginManifest | undefined> {
    const digest = requireDigest(query.digest)
    const filter = query.artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(query.artifactType)}`
    const headers = { accept: MEDIA_TYPE.ociIndex }
    const answer = await this.#client.ask({ ...query, method: 'GET', path: `referrers/${digest}${filter}`, headers })
    if (answer.status === 200 && mediaTypeOf(answer) === MEDIA_TYPE.ociIndex) {
      const applied = String(answer.headers['oci-filters-applied'] ?? '')
      const filtered = applied.split(',').some((name) => name.trim() === 'artifactType')
      return { ...(await this.#readManifest(answer, query.signal)), filtered }
    }
    await discardBody(answer.body)
    // Without the API, some registries answer 404 and some a page for humans.
    if (answer.status !== 200 && answer.status !== 404) throw statusError(answer)
    const found = await this.#getManifest(query, `manifests/${referrersTag(digest)}`)
    return found === undefined ? undefined : { ...found.manifest, filtered: false }
  }

  challenge(signal: AbortSignal): Promise<string | undefined> {
    return this.#client.challenge(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }

  async #resolveByGet(query: OriginQuery, path: string): Promise<TagResolution> {
    const found = await this.#getManifest(query, path)
    if (found === undefined) return { kind: 'unknown' }
    const { answer, manifest } = found
    const told = digestHeader(answer)
    // proxies that write manifests anew leave the header of the old one
    const digest = told !== undefined && digestOf(manifest.bytes, told) === told ? told : digestOf(manifest.bytes)
    return { kind: 'found', state: { digest }, manifest }
  }

  async #getManifest(query: OriginQuery, path: string) {
    const answer = await this.#client.ask({ ...query, method: 'GET', path, headers: ACCEPT_MANIFESTS })
    if (answer.status !== 200) return this.#refused(answer, query)
    return { answer, manifest: await this.#readManifest(answer, query.signal) }
  }

  async #readManifest(answer: HttpAnswer, signal: AbortSignal): Promise<OriginManifest> {
    const bytes = await this.#client.whole(answer, MAX_MANIFEST_BYTES, signal)
    if (bytes !== 'too large') {
      if (mayBeManifest(parseJson(bytes))) return { bytes, mediaType: manifestTypeOf(answer) }
      throw new ShoalError('ORIGIN_UNREACHABLE', `${answer.place} sends a page where a manifest should be`)
    }
    throw new ShoalError('MANIFEST_INVALID', `${answer.place} sent a manifest above ${MAX_MANIFEST_BYTES} bytes`)
  }

  /** For HEADs that are refused, and for redirects to storage, which are signed for GET only: asks for one byte. */
  async #statByGet(query: OriginQuery, path: string): Promise<{ readonly size: number } | undefined> {
    const answer = await this.#client.ask({ ...query, method: 'GET', path, headers: { range: 'bytes=0-0' } })
    const size = isPage(answer) ? undefined : sizeFrom(answer)
    if (size === undefined && answer.status !== 200 && answer.status !== 206) {
      // a HEAD's 404 says less than this one
      if (answer.status === 404) this.#headTells = false
      return this.#refused(answer, query)
    }
    answer.body.destroy()
    // the whole blob for a byte of it: a HEAD costs less
    this.#headTells = answer.status === 200
    if (size !== undefined) return { size }
    throw new ShoalError('ORIGIN_UNREACHABLE', `${answer.place} does not say how large a blob is`)
  }

  async #readNothing(query: OriginQuery & { digest: Digest; size: number }) {
    const stat = await this.statBlob(query)
    if (stat === undefined) return undefined
    if (stat.size === query.size) return noBytes()
    throw new ShoalError('ORIGIN_CHANGED', `${this.label} has ${stat.size} bytes where ${query.size} were expected`)
  }

  /** Undefined when the registry does not have it; throws for what else is no success. */
  async #refused(answer: HttpAnswer, query: OriginQuery): Promise<undefined> {
    if (answer.status === 416) {
      await discardBody(answer.body)
      throw new ShoalError('ORIGIN_CHANGED', `${answer.place} has a shorter blob than expected`)
    }
    const refusal = await this.#client.refusal(answer, query)
    if (refusal !== 'unknown') throw refusal
  }
}

/** Whether a HEAD's answer would be a GET's, too: whoever refuses HEAD alone does so by other statuses. */
function isFinal({ status }: HttpAnswer): boolean {
  return status === 401 || status === 429 || status === 503
}

/** Whether a blob of `size` bytes comes in an encoding; stores also give that name to what is in it already, as layers are. */
function isEncodedAnew(answer: HttpAnswer, size: number): boolean {
  const { status, headers } = answer
  if (encodingOf(headers['content-encoding']) === undefined) return false
  const sent = status === 206 ? parseContentRange(headers['content-range'])?.size : contentLength(answer)
  return sent !== size
}

function digestHeader(answer: HttpAnswer): Digest | undefined {
  return parseDigest(String(answer.headers['docker-content-digest'] ?? ''))
}

/** The type of a manifest; undefined where static hosting or a proxy calls it by a general one: then the document says it. */
function manifestTypeOf(answer: HttpAnswer): string | undefined {
  const type = mediaTypeOf(answer)
  return type === undefined || GENERAL_TYPE.test(type) ? undefined : type
}

function mediaTypeOf(answer: HttpAnswer): string | undefined {
  return answer.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() || undefined
}

function contentLength({ headers }: HttpAnswer): number | undefined {
  const text = headers['content-length']
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** The whole size from an answer to `Range: bytes=0-0`; an empty blob answers 416 with the size, too. */
function sizeFrom(answer: HttpAnswer): number | undefined {
  const text = answer.headers['content-range']
  if (answer.status === 206) return parseContentRange(text)?.size
  if (answer.status === 200) return contentLength(answer)
  return answer.status === 416 && text?.trim() === 'bytes */0' ? 0 : undefined
}

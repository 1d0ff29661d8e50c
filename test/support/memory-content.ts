import { EventEmitter, once } from 'node:events'
import { raceAbort } from '../../src/base/abort.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { Outcome, Refusal } from '../../src/base/outcome.ts'
import { refused } from '../../src/base/outcome.ts'
import type {
  BlobReader,
  BlobStat,
  ClientRef,
  ContentService,
  ContentSource,
  ManifestContent,
  ReferrersContent,
  TagList,
} from '../../src/blob/interface.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { TagOrDigest } from '../../src/oci/reference.ts'
import type { ByteRange } from '../../src/piece/piece-layout.ts'

interface MemoryRepository {
  readonly manifests: Map<string, ManifestContent>
  readonly tags: Map<string, Digest>
  readonly blobs: Map<string, MemoryBlob>
  readonly referrers: Map<string, ReferrersContent>
}

/** A blob whose bytes may still be arriving, may stop arriving, and may turn out wrong. */
export class MemoryBlob {
  readonly bytes: Uint8Array
  readonly source: ContentSource
  /** The size readers announce; differs from `bytes` only to play a service that is wrong about it. */
  announcedSize: number
  /** False: nobody may continue from the middle. */
  resumable = true
  /** Largest chunk a reader yields. */
  chunkBytes = 64 * 1024
  openReaders = 0
  reads = 0
  /** Reads ended by their caller's signal or by leaving the loop. */
  endedEarly = 0
  readonly changed = new EventEmitter().setMaxListeners(0)
  #arrived: number
  #failure: Error | undefined

  constructor(bytes: Uint8Array, source: ContentSource = 'peer') {
    this.bytes = bytes
    this.source = source
    this.announcedSize = bytes.byteLength
    this.#arrived = bytes.byteLength
  }

  /** From now on readers get only the first `bytes` bytes and then wait. */
  holdAt(bytes: number): void {
    this.#arrived = bytes
  }

  arrive(bytes: number): void {
    this.#arrived = bytes
    this.changed.emit('change')
  }

  /** Readers that have had all that arrived now throw. */
  fail(error: Error = new ShoalError('ORIGIN_UNREACHABLE', 'the rest will not come')): void {
    this.#failure = error
    this.changed.emit('change')
  }

  open(): BlobReader {
    this.openReaders++
    let open = true
    return {
      size: this.announcedSize,
      source: this.source,
      read: (range, signal) => this.#read(range, signal),
      resumable: () => this.resumable,
      [Symbol.asyncDispose]: async () => {
        if (open) this.openReaders--
        open = false
        this.changed.emit('disposed')
      },
    }
  }

  async *#read(range: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array> {
    this.reads++
    // One buffer for all chunks, overwritten each time: a reader may do that, and its callers must bear it.
    const buffer = new Uint8Array(this.chunkBytes)
    let at = range.start
    const end = Math.min(range.end, this.bytes.byteLength)
    try {
      while (at < end) {
        signal.throwIfAborted()
        const until = Math.min(end, at + this.chunkBytes, this.#arrived)
        if (until > at) {
          const chunk = buffer.subarray(0, until - at)
          chunk.set(this.bytes.subarray(at, until))
          yield chunk
          buffer.fill(0xee)
          at = until
        } else {
          if (this.#failure !== undefined) throw this.#failure
          await raceAbort(once(this.changed, 'change'), signal)
        }
      }
    } finally {
      if (at < end) this.endedEarly++
      this.changed.emit('ended')
    }
  }
}

/**
 * The content service over bytes in memory. Upstreams exist from the first thing put under them, or by `addUpstream`;
 * `refuse` makes everything of an upstream end in one refusal; `stall` makes its questions wait until `resume`.
 */
export class MemoryContent implements ContentService {
  readonly asked: { readonly what: string; readonly ref: ClientRef }[] = []
  readonly challenges = new Map<string, string>()
  readonly #upstreams = new Map<string, Map<string, MemoryRepository>>()
  readonly #refusals = new Map<string, Refusal>()
  readonly #stalls = new Map<string, PromiseWithResolvers<void>>()
  #broken: Error | undefined

  addUpstream(name: string): this {
    if (!this.#upstreams.has(name)) this.#upstreams.set(name, new Map())
    return this
  }

  refuse(upstream: string, reason: Refusal['reason'], challenge?: string): void {
    this.addUpstream(upstream).#refusals.set(upstream, {
      ...refused(reason, `${upstream}: ${reason}`),
      challenge,
    })
  }

  /** Every question to `upstream` waits, whatever its signal says, until the function returned is called. */
  stall(upstream: string): () => void {
    const gate = Promise.withResolvers<void>()
    this.addUpstream(upstream).#stalls.set(upstream, gate)
    return () => {
      this.#stalls.delete(upstream)
      gate.resolve()
    }
  }

  /** Every question throws `error`, as a defect would. */
  break(error: Error | undefined): void {
    this.#broken = error
  }

  putManifest(
    upstream: string,
    repository: string,
    bytes: Uint8Array,
    options: { tag?: string; mediaType: string; algorithm?: string; stale?: boolean },
  ): Digest {
    const digest = digestOf(bytes, options.algorithm)
    const stored = this.#make(upstream, repository)
    const { mediaType, stale = false } = options
    stored.manifests.set(digest, { digest, mediaType, bytes, source: 'home', stale })
    if (options.tag !== undefined) stored.tags.set(options.tag, digest)
    return digest
  }

  putBlob(upstream: string, repository: string, bytes: Uint8Array): { digest: Digest; blob: MemoryBlob } {
    const digest = digestOf(bytes)
    const blob = new MemoryBlob(bytes)
    this.#make(upstream, repository).blobs.set(digest, blob)
    return { digest, blob }
  }

  putReferrers(upstream: string, repository: string, subject: Digest, content: ReferrersContent): void {
    this.#make(upstream, repository).referrers.set(subject, content)
  }

  knows(upstream: string): boolean {
    return this.#upstreams.has(upstream)
  }

  asksClients(upstream?: string): boolean {
    return upstream === undefined ? this.challenges.size > 0 : this.challenges.has(upstream)
  }

  manifest(ref: ClientRef & { readonly target: TagOrDigest }): Promise<Outcome<ManifestContent>> {
    const { target } = ref
    return this.#ask('manifest', ref, (repository) => {
      const digest = target.kind === 'digest' ? target.digest : repository.tags.get(target.tag)
      return digest === undefined ? undefined : repository.manifests.get(digest)
    })
  }

  statBlob(ref: ClientRef & { readonly digest: Digest }): Promise<Outcome<BlobStat>> {
    return this.#ask('stat', ref, (repository) => {
      const blob = repository.blobs.get(ref.digest)
      return blob && { size: blob.announcedSize, source: blob.source }
    })
  }

  openBlob(ref: ClientRef & { readonly digest: Digest }): Promise<Outcome<BlobReader>> {
    return this.#ask('open', ref, (repository) => repository.blobs.get(ref.digest)?.open())
  }

  lifeOf(): undefined {
    return undefined
  }

  listTags(
    ref: ClientRef & { readonly limit?: number | undefined; readonly after?: string | undefined },
  ): Promise<Outcome<TagList>> {
    return this.#ask('tags', ref, (repository) => {
      const { limit = Number.POSITIVE_INFINITY, after = '' } = ref
      const rest = [...repository.tags.keys()].sort().filter((tag) => tag > after)
      return { kind: 'tags', tags: rest.slice(0, limit), more: rest.length > limit }
    })
  }

  referrers(ref: ClientRef & { readonly digest: Digest }): Promise<Outcome<ReferrersContent>> {
    return this.#ask('referrers', ref, (repository) => repository.referrers.get(ref.digest))
  }

  async challenge(upstream: string): Promise<string | undefined> {
    await this.#stalls.get(upstream)?.promise
    return this.challenges.get(upstream)
  }

  async #ask<T>(
    what: string,
    ref: ClientRef,
    find: (repository: MemoryRepository) => T | undefined,
  ): Promise<Outcome<T>> {
    this.asked.push({ what, ref })
    await this.#stalls.get(ref.upstream)?.promise
    if (this.#broken !== undefined) throw this.#broken
    const refusal = this.#refusals.get(ref.upstream)
    if (refusal !== undefined) return refusal
    const repository = this.#upstreams.get(ref.upstream)?.get(ref.repository)
    const value = repository && find(repository)
    if (value === undefined) return refused('unknown', `${ref.upstream} has no such thing`)
    return value
  }

  #make(upstream: string, repository: string): MemoryRepository {
    this.addUpstream(upstream)
    const repositories = this.#upstreams.get(upstream) ?? new Map<string, MemoryRepository>()
    const found = repositories.get(repository) ?? {
      manifests: new Map(),
      tags: new Map(),
      blobs: new Map(),
      referrers: new Map(),
    }
    repositories.set(repository, found)
    return found
  }
}

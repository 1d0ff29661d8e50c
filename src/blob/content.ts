import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { ANNOUNCE_BUSY_MS, OVERLOADED_MS } from '../base/patience.ts'
import type { Digest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import type { OriginChain } from '../origin/index.ts'
import { MIN_PIECE_BYTES } from '../piece/piece-layout.ts'
import type { BlobStore } from '../store/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Opened, OpenRequest, Transfers } from '../transfer/index.ts'
import type { BlobAccess } from './blob-access.ts'
import type {
  BlobReader,
  BlobStat,
  ContentService,
  ManifestContent,
  Outcome,
  ReferrersContent,
  Refusal,
  RepositoryRef,
  TagList,
} from './interface.ts'
import type { Listings } from './listings.ts'
import type { Manifests } from './manifests.ts'
import type { Reopen } from './mending-reader.ts'
import { MendingReader } from './mending-reader.ts'
import { failure, found, refusalOf, unavailable } from './outcome.ts'
import { BytesReader, PendingReader, StoredReader, TransferReader, WindowReader } from './readers.ts'
import { Siblings } from './siblings.ts'

/** What a runtime may be given of an upstream, and on whose word. */
export interface UpstreamAccess {
  readonly access: 'public' | 'node' | 'passthrough'
  readonly chain: OriginChain
}

export interface ContentDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly store: BlobStore
  readonly tier: Tier
  readonly transfers: Transfers
  readonly manifests: Manifests
  readonly access: BlobAccess
  readonly listings: Listings
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>
}

/** Layers that are started together: twice what an image may have. The others of a longer list start when they are asked for. */
const MOST_SIBLINGS = 256

const GONE = unavailable('evicted just now')

type BlobRequest = RepositoryRef & { readonly digest: Digest }

/** What this host's own runtimes ask for, answered from the store, the swarm or the origin. */
export class Content implements ContentService {
  readonly #deps: ContentDeps
  readonly #siblings = new Siblings()
  readonly #stop = new AbortController()
  readonly #tasks = new Set<Promise<void>>()

  constructor(deps: ContentDeps) {
    this.#deps = deps
  }

  knows(upstream: string): boolean {
    return this.#deps.upstreams.has(upstream)
  }

  async challenge(upstream: string, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#deps.upstreams.get(upstream)
    return known?.access === 'passthrough' ? known.chain.challenge(signal) : undefined
  }

  async manifest(
    ref: RepositoryRef & { readonly target: TagOrDigest },
    signal: AbortSignal,
  ): Promise<Outcome<ManifestContent>> {
    const client = this.#client(ref)
    const { manifests, access } = this.#deps
    const outcome =
      client === undefined ? await manifests.find(ref, signal) : await manifests.findAsClient(ref, client, signal)
    if (!outcome.ok) return this.#relay(outcome, ref, signal)
    if (client !== undefined) access.prove(ref, client)
    this.#siblings.remember(parseManifest(outcome.value.bytes))
    return outcome
  }

  async statBlob(ref: BlobRequest, signal: AbortSignal): Promise<Outcome<BlobStat>> {
    const outcome = await this.#check(ref, signal)
    if (!outcome.ok) return outcome
    const source = this.#deps.store.size(ref.digest) === undefined ? 'home' : 'local'
    return found({ size: outcome.value.size, source })
  }

  async openBlob(ref: BlobRequest, signal: AbortSignal): Promise<Outcome<BlobReader>> {
    const checked = await this.#check(ref, signal)
    if (!checked.ok) return checked
    const { size } = checked.value
    const order = this.#deps.store.size(ref.digest) === undefined ? this.#startSiblings(ref) : undefined
    const request = { ...this.#request(ref), size, order }
    return this.#soon(ref.digest, size, this.#openMending(request, signal), signal)
  }

  async listTags(
    ref: RepositoryRef & { readonly limit?: number | undefined; readonly after?: string | undefined },
    signal: AbortSignal,
  ): Promise<Outcome<TagList>> {
    const outcome = await this.#deps.listings.tags({ ...ref, authorization: this.#client(ref) }, false, signal)
    return outcome.ok ? outcome : this.#relay(outcome, ref, signal)
  }

  async referrers(
    ref: BlobRequest & { readonly artifactType?: string | undefined },
    signal: AbortSignal,
  ): Promise<Outcome<ReferrersContent>> {
    const outcome = await this.#deps.listings.referrers({ ...ref, authorization: this.#client(ref) }, false, signal)
    return outcome.ok ? outcome : this.#relay(outcome, ref, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    await Promise.allSettled(this.#tasks)
  }

  /** The client's own proof, where it is what counts; everywhere else it must not travel on. */
  #client(ref: RepositoryRef): string | undefined {
    const passthrough = this.#deps.upstreams.get(ref.upstream)?.access === 'passthrough'
    return passthrough ? (ref.authorization ?? '') : undefined
  }

  #request({ upstream, repository, digest, authorization }: BlobRequest): OpenRequest {
    const client = this.#client({ upstream, repository, authorization })
    return { upstream, repository, digest, ...(client === undefined ? {} : { authorization: client }) }
  }

  async #check(ref: BlobRequest, signal: AbortSignal): Promise<Outcome<{ size: number }>> {
    const client = this.#client(ref)
    const { access } = this.#deps
    const outcome = await (client === undefined ? access.check(ref, signal) : access.checkAsClient(ref, client, signal))
    return outcome.ok ? outcome : this.#relay(outcome, ref, signal)
  }

  /** A passthrough upstream's "no" becomes its challenge, so that the client can prove itself. */
  async #relay(refusal: Refusal, ref: RepositoryRef, signal: AbortSignal): Promise<Refusal> {
    if (refusal.reason !== 'denied' || this.#client(ref) === undefined) return refusal
    try {
      const challenge = await this.challenge(ref.upstream, signal)
      return challenge === undefined ? refusal : { ...refusal, reason: 'unauthorized', challenge }
    } catch (error) {
      return failure(error, signal)
    }
  }

  /** A reader that finds the blob again when the disk fails it on the way. */
  async #openMending(request: OpenRequest & { size: number }, signal: AbortSignal): Promise<Outcome<BlobReader>> {
    const opened = await this.#open(request, signal)
    if (!opened.ok) return opened
    const reopen: Reopen = async (cause, reading) =>
      isShoalError(cause, 'STORE_DISK_FULL') ? found(this.#window(request)) : this.#open(request, reading)
    return found(new MendingReader(opened.value, reopen))
  }

  /** Through the store, or past it when the blob cannot be stored. */
  async #open(request: OpenRequest & { size: number }, signal: AbortSignal): Promise<Outcome<BlobReader>> {
    try {
      const find = async (): Promise<Outcome<BlobReader> | undefined> => {
        const opened = await this.#deps.transfers.open(request, signal)
        const outcome = await this.#read(opened)
        if (outcome?.ok !== true) return outcome
        const settled = await this.#settled(request, opened, outcome.value, signal)
        return settled.ok ? this.#announced(opened, settled.value, signal) : settled
      }
      // evicted, or found damaged, just now
      return (await find()) ?? (await find()) ?? GONE
    } catch (error) {
      if (!isShoalError(error, 'STORE_DISK_FULL', 'STORE_FAILED')) return failure(error, signal)
      this.#deps.logger.warn(
        { digest: request.digest, err: error.message },
        'the blob cannot be stored: passing it through',
      )
      return found(this.#window(request))
    }
  }

  /** Lets go of a reader whose repository may not have what others have brought here. */
  async #settled(
    ref: BlobRequest,
    opened: Opened,
    reader: BlobReader,
    signal: AbortSignal,
  ): Promise<Outcome<BlobReader>> {
    let refusal: Refusal | undefined
    try {
      refusal = await this.#deps.access.settle({ ...ref, authorization: this.#client(ref) }, opened, false, signal)
    } catch (error) {
      await reader[Symbol.asyncDispose]()
      throw error
    }
    if (refusal === undefined) return found(reader)
    await reader[Symbol.asyncDispose]()
    return this.#relay(refusal, ref, signal)
  }

  #window(request: OpenRequest & { size: number }): BlobReader {
    return new WindowReader(request.size, 'peer', (start, reading) => this.#openWindow(request, start, reading))
  }

  /**
   * A blob is announced to a runtime only once a source has said that it has it: until then a "no" can still be told.
   * Undefined when it has come to its end meanwhile.
   */
  async #announced(opened: Opened, reader: BlobReader, signal: AbortSignal): Promise<Outcome<BlobReader> | undefined> {
    if (opened.kind !== 'transfer') return found(reader)
    const { transfer } = opened
    try {
      await transfer.whenFound(signal)
      return found(reader)
    } catch (error) {
      await reader[Symbol.asyncDispose]()
      signal.throwIfAborted()
      if (transfer.proven) return undefined
      throw transfer.failure ?? error
    }
  }

  /** Undefined when the store said that it has the blob, and has it no more. */
  async #read(opened: Opened): Promise<Outcome<BlobReader> | undefined> {
    switch (opened.kind) {
      case 'refused':
        return refusalOf(opened)
      case 'bytes':
        return found(new BytesReader(opened.bytes, opened.from))
      case 'transfer':
        return found(new TransferReader(this.#deps.transfers, opened.transfer, opened.from))
      case 'stored': {
        const stored = await this.#deps.store.open(opened.digest)
        return stored === undefined ? undefined : found(new StoredReader(stored, opened.from))
      }
    }
  }

  async #openWindow(request: OpenRequest & { size: number }, start: number, signal: AbortSignal): Promise<BlobReader> {
    const outcome = (await this.#read(await this.#deps.transfers.openWindow(request, start, signal))) ?? GONE
    if (!outcome.ok) throw new ShoalError('UNAVAILABLE', outcome.message)
    return outcome.value
  }

  /**
   * A home that is too busy to say anything, in a rollout's burst, will come to it: announced in time, its runtime waits
   * for the bytes, where a "404" would send a whole fleet upstream.
   */
  async #soon(
    digest: Digest,
    size: number,
    opening: Promise<Outcome<BlobReader>>,
    signal: AbortSignal,
  ): Promise<Outcome<BlobReader>> {
    const { clock, tier, transfers } = this.#deps
    const askedAt = clock.now()
    const patience = new AbortController()
    const stopped = AbortSignal.any([signal, patience.signal])
    const waited = sleep(clock, ANNOUNCE_BUSY_MS, stopped).then(
      () => undefined,
      () => undefined,
    )
    try {
      const first = await Promise.race([opening, waited])
      if (first !== undefined) return first
      const isOverloaded = clock.now() - askedAt > ANNOUNCE_BUSY_MS + OVERLOADED_MS
      if (signal.aborted || !tier.isBusy(digest, isOverloaded)) return await opening
      return found(new PendingReader(size, transfers.tainted(digest), opening))
    } finally {
      patience.abort()
    }
  }

  /** Starts the layers that belong to the same image, and answers the place of this one among them. */
  #startSiblings(ref: BlobRequest): number | undefined {
    const { transfers, store, logger } = this.#deps
    const layers = this.#siblings.take(ref.digest)
    if (layers.length === 0) return undefined
    const first = transfers.nextOrders(layers.length)
    for (const [i, { digest, size }] of layers.slice(0, MOST_SIBLINGS).entries()) {
      if (digest === ref.digest || size <= MIN_PIECE_BYTES || store.size(digest) !== undefined) continue
      const request = { ...this.#request({ ...ref, digest }), size, order: first + i }
      const task = transfers.open(request, this.#stop.signal).then(
        () => {},
        (error: unknown) => logger.debug({ digest, err: errorText(error) }, 'a sibling layer could not be started'),
      )
      this.#tasks.add(task)
      void task.finally(() => this.#tasks.delete(task))
    }
    return first + layers.findIndex(({ digest }) => digest === ref.digest)
  }
}

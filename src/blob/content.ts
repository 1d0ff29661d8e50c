import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Outcome, Refusal } from '../base/outcome.ts'
import { isRefused, refusalOf, refused } from '../base/outcome.ts'
import type { SourceLife } from '../base/patience.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { Digest } from '../oci/digest.ts'
import { parseDigest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import { tagName } from '../oci/reference.ts'
import type { OriginChain } from '../origin/index.ts'
import { MIN_PIECE_BYTES, PieceLayout } from '../piece/piece-layout.ts'
import type { BlobStore } from '../store/index.ts'
import { isUnstorable } from '../store/index.ts'
import type { Asker, Tier } from '../tier/index.ts'
import { OWN_CLIENT } from '../tier/index.ts'
import type { Opened, OpenRequest, Transfers } from '../transfer/index.ts'
import { awaitedBy } from '../transfer/index.ts'
import { announcedInTime } from './announced-in-time.ts'
import type { BlobAccess } from './blob-access.ts'
import { ClientRights } from './client-rights.ts'
import type { SignatureKey } from './image-signatures.ts'
import type {
  BlobReader,
  BlobStat,
  ClientRef,
  ContentService,
  ManifestContent,
  OpenBlob,
  ReferrersContent,
  TagList,
} from './interface.ts'
import type { Listings, ReferrersQuery, TagsQuery } from './listings.ts'
import type { Manifests } from './manifests.ts'
import type { Reopen } from './mending-reader.ts'
import { MendingReader } from './mending-reader.ts'
import { openedAlone } from './opened-alone.ts'
import { clientsAsker } from './origin-allowance.ts'
import type { WantedPart } from './parts.ts'
import { openParts } from './parts-reader.ts'
import { BytesReader, StoredReader, TransferReader } from './readers.ts'
import { Siblings } from './siblings.ts'

/** What a runtime may be given of an upstream, and on whose word. */
export interface UpstreamAccess {
  readonly access: 'public' | 'node' | 'passthrough'
  readonly chain: OriginChain
  /** The same where it is open already; to look opens nothing and never throws. */
  readonly opened: OriginChain | undefined
  /** One of these must have signed what its tags point to; undefined: nothing need be signed. */
  readonly signatureKeys?: readonly SignatureKey[] | undefined
}

interface ContentDeps {
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

const GONE = refused('unavailable', 'evicted just now')

type BlobRequest = ClientRef & { readonly digest: Digest }

/** What this host's own runtimes ask for, answered from the store, the swarm or the origin. */
export class Content implements ContentService {
  readonly #deps: ContentDeps
  readonly #siblings = new Siblings()
  readonly #rights: ClientRights
  readonly #clients: Asker
  readonly #tasks: TaskGroup

  constructor(deps: ContentDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    this.#rights = new ClientRights(deps.clock, (upstream, signal) => this.challenge(upstream, signal))
    this.#clients = clientsAsker(deps.clock)
  }

  knows(upstream: string): boolean {
    return this.#deps.upstreams.has(upstream)
  }

  asksClients(upstream?: string): boolean {
    const { upstreams } = this.#deps
    if (upstream !== undefined) return upstreams.get(upstream)?.access === 'passthrough'
    return [...upstreams.values()].some(({ access }) => access === 'passthrough')
  }

  async challenge(upstream: string, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#deps.upstreams.get(upstream)
    return known?.access === 'passthrough' ? known.chain.challenge(signal) : undefined
  }

  async manifest(
    ref: ClientRef & { readonly target: TagOrDigest },
    signal: AbortSignal,
  ): Promise<Outcome<ManifestContent>> {
    const { manifests } = this.#deps
    const outcome = await this.#inName(
      ref,
      () => manifests.find(ref, OWN_CLIENT, signal),
      (asked, isProven) => manifests.findAsClient(asked, isProven, signal),
      signal,
    )
    if (!isRefused(outcome)) this.#siblings.remember(parseManifest(outcome.bytes))
    return outcome
  }

  async statBlob(ref: BlobRequest, signal: AbortSignal): Promise<Outcome<BlobStat>> {
    const outcome = await this.#check(ref, signal)
    if (isRefused(outcome)) return outcome
    const source = this.#deps.store.size(ref.digest) === undefined ? 'home' : 'local'
    return { size: outcome.size, source }
  }

  async openBlob(ref: OpenBlob, signal: AbortSignal): Promise<Outcome<BlobReader>> {
    return (await this.#openUnknown(ref, signal)) ?? this.#openChecked(ref, signal)
  }

  /**
   * A blob of which nothing is known here, and all is wanted: it is asked for at once, since its home judges the right to it all
   * the same and tells its size with it. Undefined where that is not so, or has led nowhere in time.
   */
  async #openUnknown(ref: OpenBlob, signal: AbortSignal): Promise<Outcome<BlobReader> | undefined> {
    const { access, clock, store, tier } = this.#deps
    const isFleets = ref.reads === undefined && this.#client(ref) === undefined
    if (!isFleets || tier.acting || !this.#clients.mayAsk || store.size(ref.digest) !== undefined) return undefined
    if (await access.knows(ref)) return undefined
    const request = this.#request(ref)
    const opening = this.#find(request, this.#clients, signal)
    const outcome = await openedAlone(opening, { clock, asker: this.#clients }, signal)
    if (outcome === undefined || isRefused(outcome)) return outcome
    const { size } = outcome
    return this.#mending(outcome, { ...request, size, reads: { start: 0, end: size } })
  }

  async #openChecked(ref: OpenBlob, signal: AbortSignal): Promise<Outcome<BlobReader>> {
    const checked = await this.#check(ref, signal)
    if (isRefused(checked)) return checked
    const { size } = checked
    const reads = ref.reads?.(size) ?? { start: 0, end: size }
    const isPull = this.#deps.store.size(ref.digest) === undefined && reads.isPart !== true
    const order = isPull ? this.#startSiblings(ref) : undefined
    const wanted: WantedPart = { ...this.#request(ref), size, order, reads }
    const open = (one: WantedPart, reading: AbortSignal): Promise<Outcome<BlobReader>> =>
      announcedInTime(this.#openMending(one, reading), one, this.#deps, reading)
    if (reads.isPart !== true) return open(wanted, signal)
    return openParts(wanted, ref.readsThen?.(size) ?? [], open, this.#deps, signal)
  }

  lifeOf({ upstream, repository }: ClientRef, target: string): SourceLife | undefined {
    const { tier, upstreams } = this.#deps
    const key = parseDigest(target) ?? tagName({ upstream, repository, tag: target })
    return tier.requests.lifeOf(key) ?? upstreams.get(upstream)?.opened?.lifeOf(repository, target)
  }

  async listTags(
    ref: ClientRef & { readonly limit?: number | undefined; readonly after?: string | undefined },
    signal: AbortSignal,
  ): Promise<Outcome<TagList>> {
    const list = (query: TagsQuery) => this.#deps.listings.tags(query, OWN_CLIENT, signal)
    return this.#inName(ref, () => list({ ...ref, authorization: undefined }), list, signal)
  }

  async referrers(
    ref: BlobRequest & { readonly artifactType?: string | undefined },
    signal: AbortSignal,
  ): Promise<Outcome<ReferrersContent>> {
    const list = (query: ReferrersQuery) => this.#deps.listings.referrers(query, OWN_CLIENT, signal)
    return this.#inName(ref, () => list({ ...ref, authorization: undefined }), list, signal)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.stop()
  }

  /** The client's own proof, where it is what counts; everywhere else it must not travel on. */
  #client(ref: ClientRef): string | undefined {
    const passthrough = this.#deps.upstreams.get(ref.upstream)?.access === 'passthrough'
    return passthrough ? (ref.authorization ?? '') : undefined
  }

  #request({ upstream, repository, digest, authorization }: BlobRequest): OpenRequest {
    const client = this.#client({ upstream, repository, authorization })
    return { upstream, repository, digest, ...(client === undefined ? {} : { authorization: client }) }
  }

  async #check(ref: BlobRequest, signal: AbortSignal): Promise<Outcome<{ size: number }>> {
    const { access } = this.#deps
    return this.#inName(
      ref,
      () => access.check(ref, this.#clients, signal),
      (asked, isProven) => access.checkAsClient(asked, isProven, signal),
      signal,
    )
  }

  /** Asks in the fleet's name or, where that is what counts, in the client's own. */
  #inName<R extends ClientRef, T>(
    ref: R,
    inFleets: () => Promise<Outcome<T>>,
    inClients: (asked: R & { readonly authorization: string }, isProven: boolean) => Promise<Outcome<T>>,
    signal: AbortSignal,
  ): Promise<Outcome<T>> {
    const authorization = this.#client(ref)
    return authorization === undefined ? inFleets() : this.#rights.ask({ ...ref, authorization }, inClients, signal)
  }

  /** A reader that finds the blob again when the disk fails it on the way. */
  async #openMending(wanted: WantedPart, signal: AbortSignal): Promise<Outcome<BlobReader>> {
    const opened = await this.#open(wanted, signal)
    return isRefused(opened) ? opened : this.#mending(opened, wanted)
  }

  #mending(opened: BlobReader, wanted: WantedPart): BlobReader {
    const reopen: Reopen = (cause, start, reading) => {
      const rest = { ...wanted, reads: { start, end: wanted.reads.end } }
      return isShoalError(cause, 'STORE_DISK_FULL') ? this.#window(rest, reading) : this.#open(rest, reading)
    }
    return new MendingReader(opened, reopen)
  }

  /** Through the store, or past it when the blob cannot be stored. */
  async #open(request: WantedPart, signal: AbortSignal): Promise<Outcome<BlobReader>> {
    const awaits = awaitedBy(new PieceLayout(request.digest, request.size), request.reads)
    const find = () => this.#find({ ...request, awaits }, OWN_CLIENT, signal)
    try {
      // evicted, or found damaged, just now
      return (await find()) ?? (await find()) ?? GONE
    } catch (error) {
      signal.throwIfAborted()
      if (!isUnstorable(error)) return refusalOf(error)
      this.#deps.logger.warn({ digest: request.digest, err: error }, 'the blob cannot be stored: passing it through')
      return this.#window(request, signal)
    }
  }

  /** Through the store. Undefined when that said that it has the blob, and has it no more. */
  async #find(request: OpenRequest, asker: Asker, signal: AbortSignal): Promise<Outcome<BlobReader> | undefined> {
    const opened = await this.#deps.transfers.open(request, signal)
    const outcome = await this.#read(opened)
    if (outcome === undefined || isRefused(outcome)) return outcome
    const settled = await this.#settled(request, opened, outcome, asker, signal)
    return isRefused(settled) ? settled : this.#announced(opened, settled, signal)
  }

  /** Lets go of a reader whose repository may not have what others have brought here. */
  async #settled(
    ref: BlobRequest,
    opened: Opened,
    reader: BlobReader,
    asker: Asker,
    signal: AbortSignal,
  ): Promise<Outcome<BlobReader>> {
    const authorization = this.#client(ref)
    let refusal: Refusal | undefined
    try {
      refusal = await this.#deps.access.settle({ ...ref, authorization }, opened, asker, signal)
    } catch (error) {
      await reader[Symbol.asyncDispose]()
      throw error
    }
    if (refusal === undefined) return reader
    await reader[Symbol.asyncDispose]()
    return authorization === undefined ? refusal : this.#rights.relay(refusal, { ...ref, authorization }, signal)
  }

  /** Through the window in memory that all readers of a blob share which cannot be stored. */
  async #window(request: WantedPart, signal: AbortSignal): Promise<Outcome<BlobReader>> {
    try {
      const opened = await this.#deps.transfers.openWindow(request, request.reads.start, signal)
      const outcome = (await this.#read(opened)) ?? GONE
      return isRefused(outcome) ? outcome : ((await this.#announced(opened, outcome, signal)) ?? GONE)
    } catch (error) {
      signal.throwIfAborted()
      return refusalOf(error)
    }
  }

  /**
   * A blob is announced to a runtime only once a source has said that it has it: until then a "no" can still be told.
   * Undefined when it has come to its end meanwhile.
   */
  async #announced(opened: Opened, reader: BlobReader, signal: AbortSignal): Promise<Outcome<BlobReader> | undefined> {
    if (opened.kind !== 'transfer') return reader
    const { transfer } = opened
    try {
      await transfer.whenFound(signal)
      return reader
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
        return opened
      case 'bytes':
        return new BytesReader(opened.bytes, opened.from)
      case 'transfer':
        return new TransferReader(this.#deps.transfers, opened.transfer, opened.from)
      case 'stored': {
        const stored = await this.#deps.store.open(opened.digest)
        return stored === undefined ? undefined : new StoredReader(stored, opened.from)
      }
    }
  }

  /** Starts the layers that belong to the same image, and returns the place of this one among them. */
  #startSiblings(ref: BlobRequest): number | undefined {
    const { transfers, store, logger } = this.#deps
    const layers = this.#siblings.take(ref.digest)
    if (layers.length === 0) return undefined
    const first = transfers.nextOrders(layers.length)
    for (const [i, { digest, size }] of layers.slice(0, MOST_SIBLINGS).entries()) {
      if (digest === ref.digest || size <= MIN_PIECE_BYTES || store.size(digest) !== undefined) continue
      const request = { ...this.#request({ ...ref, digest }), size, order: first + i }
      void this.#tasks.run('a sibling layer was not started', async (signal) => {
        try {
          await transfers.open(request, signal)
        } catch (error) {
          logger.debug({ digest, err: error }, 'a sibling layer could not be started')
        }
      })
    }
    return first + layers.findIndex(({ digest }) => digest === ref.digest)
  }
}

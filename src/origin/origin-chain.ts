import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import type { ErrorCode } from '../base/errors.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import { manifestChildren, parseManifest } from '../oci/manifest.ts'
import type { ByteRange } from '../piece/piece-layout.ts'
import { mostUseful } from './chain-error.ts'
import type { OriginUse } from './config.ts'
import type { Origin, OriginManifest, OriginQuery, TagPage, TagResolution, TagState } from './interface.ts'
import { OriginHealth } from './origin-health.ts'
import type { OriginTrouble } from './origin-trouble.ts'
import { OriginTroubles } from './origin-trouble.ts'

/** Told which origin (its label) supplies the bytes from `offset` in the blob on; 0 for manifests. */
export type SourceListener = (label: string, offset: number) => void

export interface DigestQuery extends OriginQuery {
  readonly digest: Digest
  /** Labels of origins not to ask. */
  readonly avoid?: ReadonlySet<string> | undefined
  readonly onSource?: SourceListener | undefined
}

export interface BlobRangeQuery extends DigestQuery {
  readonly range: ByteRange
  readonly size: number
  /** As BlobReadQuery's. */
  readonly onWhole?: (() => void) | undefined
}

export interface OriginPlace {
  readonly kind: Origin['kind']
  readonly label: string
  /** Undefined while it answers, or has not been asked. */
  readonly trouble: OriginTrouble | undefined
}

/** No other origin would take it either. */
const BAD_INPUT: readonly ErrorCode[] = ['NAME_INVALID', 'REFERENCE_INVALID', 'DIGEST_INVALID']

/** Blobs that a registry has vouched for; some 150 bytes each. */
const MAX_VOUCHED = 65_536

/** In whose name an origin is asked, and until when. */
type Asker = Pick<OriginQuery, 'signal' | 'authorization'>

/** An answer, or undefined for "not here": then the next origin may have it. */
type Ask<T> = (origin: Origin) => Promise<T | undefined>

/**
 * The origins of one upstream, asked in order until one has the answer. Unknown content and every failure lead to the
 * next; `undefined` means that all of them said "unknown", and when any failed, the most useful failure is thrown.
 * An origin that failed is asked last for some seconds.
 */
export class OriginChain implements AsyncDisposable {
  readonly #origins: readonly Origin[]
  readonly #uses: ReadonlyMap<Origin, readonly OriginUse[]>
  /** `repository@digest` of blobs that the upstream's registry has named in the repository. */
  readonly #vouched = new LRUCache<string, true>({ max: MAX_VOUCHED })
  readonly #health: OriginHealth
  readonly #troubles: OriginTroubles
  readonly #logger: Logger

  /** Owns `origins`. Their labels should differ. An origin without an entry in `uses` is asked for everything. */
  constructor(
    origins: readonly Origin[],
    deps: { readonly clock: Clock; readonly logger: Logger },
    uses: ReadonlyMap<Origin, readonly OriginUse[]> = new Map(),
  ) {
    this.#origins = origins
    this.#uses = uses
    this.#health = new OriginHealth(deps.clock)
    this.#logger = deps.logger
    this.#troubles = new OriginTroubles(deps.clock, deps.logger)
  }

  get labels(): readonly string[] {
    return this.#origins.map((origin) => origin.label)
  }

  /** What each origin is and where, and what ails it, for status pages. */
  get places(): readonly OriginPlace[] {
    return this.#origins.map((origin) => {
      return { kind: origin.kind, label: origin.label, trouble: this.#troubles.of(origin) }
    })
  }

  /** As Origin.resolveTag. The state's etag is good only here, not at one of the origins. */
  async resolveTag(query: OriginQuery & { tag: string; known?: TagState | undefined }): Promise<TagResolution> {
    const found = await this.#first(this.#usedFor('resolve'), query, async (origin) => {
      const resolution = await origin.resolveTag({ ...query, known: stateFor(origin, query.known) })
      if (resolution.kind === 'unknown') return undefined
      const given = resolution.kind === 'found' ? resolution.manifest : undefined
      if (given !== undefined && origin.kind === 'registry') this.#vouchFor(query.repository, given.bytes)
      if (resolution.kind === 'unchanged' || resolution.state.etag === undefined) return resolution
      const { digest, etag } = resolution.state
      return { ...resolution, state: { digest, etag: `${origin.label}\n${etag}` } }
    })
    return found ?? { kind: 'unknown' }
  }

  /** As Origin.manifest. If the bytes do not match the digest, say so with `distrust` and ask again. */
  manifest(query: DigestQuery): Promise<OriginManifest | undefined> {
    return this.#first(this.#trusted(query), query, async (origin) => {
      const manifest = await origin.manifest(query)
      if (manifest !== undefined) query.onSource?.(origin.label, 0)
      if (manifest !== undefined && origin.kind === 'registry') this.#vouchFor(query.repository, manifest.bytes)
      return manifest
    })
  }

  /** As Origin.statBlob. */
  statBlob(query: DigestQuery): Promise<{ readonly size: number } | undefined> {
    return this.#first(this.#trusted(query), query, async (origin) => {
      const stat = await origin.statBlob(query)
      if (stat !== undefined && origin.kind === 'registry') this.#vouched.set(blobKey(query), true)
      return stat
    })
  }

  /**
   * As Origin.readBlob. When an origin fails in the middle, the next one goes on at the byte reached, unnoticed but for
   * `onSource`; no byte comes twice. Bytes of one range may thus come from several origins: after a failed digest,
   * `distrust` all of them.
   */
  async readBlob(query: BlobRangeQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    const untried = new Set(this.#trusted(query).filter((origin) => this.#isUsedFor(origin, 'pull')))
    let whole = false
    const onWhole = (): void => {
      whole = true
      query.onWhole?.()
    }
    const first = await this.#open(query.onWhole === undefined ? query : { ...query, onWhole }, untried)
    if (first === undefined) return undefined
    const { range, size } = query
    const isAll = range.start === 0 && range.end === size
    if (whole || !isAll) this.#health.answeredRange(first.origin, !whole)
    return this.#readOn(
      { ...query, range: whole ? { start: 0, end: size } : range, onWhole: undefined },
      first,
      untried,
    )
  }

  /** Whether the origin that would be asked first is known to answer a range with that range. */
  get takesRanges(): boolean {
    const origin = this.#health.first(this.#origins.filter((one) => this.#isUsedFor(one, 'pull')))
    return origin !== undefined && (origin.kind !== 'registry' || this.#health.takesRanges(origin))
  }

  /** As Origin.listTags, of the first origin that knows the repository. */
  listTags(
    query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
  ): Promise<TagPage | undefined> {
    return this.#first(this.#usedFor('resolve'), query, (origin) => origin.listTags(query))
  }

  /** As Origin.referrers. */
  referrers(
    query: OriginQuery & { digest: Digest; artifactType?: string | undefined },
  ): Promise<OriginManifest | undefined> {
    return this.#first(this.#usedFor('resolve'), query, (origin) => origin.referrers(query))
  }

  /** As Origin.challenge, of the first origin that has one. */
  challenge(signal: AbortSignal): Promise<string | undefined> {
    return this.#first(this.#origins, { signal }, (origin) => origin.challenge(signal))
  }

  /**
   * Says that the origin served content that fails `digest`: for ten minutes it is not asked for that digest while there is
   * another, and where there is none, at once after the first time and then after ever longer waits.
   */
  distrust(label: string, digest: Digest): void {
    this.#logger.warn({ origin: label, digest }, 'origin served content that does not match its digest')
    this.#health.distrust(label, digest)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#origins.map((origin) => origin[Symbol.asyncDispose]()))
  }

  #trusted({ digest, avoid }: DigestQuery): readonly Origin[] {
    const pulled = this.#usedFor('pull')
    // who only resolves is asked last: for what small things the others lack
    const inOrder = [...pulled, ...this.#origins.filter((origin) => !pulled.includes(origin))]
    const unblamed = inOrder.filter((origin) => this.#health.trusts(origin, digest))
    const isStuck = !unblamed.some((origin) => pulled.includes(origin))
    const again = isStuck ? pulled.filter((origin) => !unblamed.includes(origin)) : []
    const trusted = [...unblamed, ...again.filter((origin) => this.#health.mayAskAgain(origin, digest))]
    if (trusted.length === 0 && this.#origins.length > 0) {
      throw new ShoalError('CONTENT_CORRUPT', 'every origin has lately served wrong bytes for this digest', {
        details: { digest },
      })
    }
    const wanted = trusted.filter((origin) => avoid?.has(origin.label) !== true)
    if (wanted.length > 0) return wanted
    throw new ShoalError('ORIGIN_UNREACHABLE', 'no origin is left to ask', { details: { digest } })
  }

  #isUsedFor(origin: Origin, use: OriginUse): boolean {
    return this.#uses.get(origin)?.includes(use) ?? true
  }

  #usedFor(use: OriginUse): readonly Origin[] {
    return this.#origins.filter((origin) => this.#isUsedFor(origin, use))
  }

  #isVouched(query: DigestQuery): boolean {
    return this.#vouched.get(blobKey(query)) === true
  }

  /** A registry has given this manifest of the repository: what it names may be read there. */
  #vouchFor(repository: string, bytes: Uint8Array): void {
    try {
      for (const { digest } of manifestChildren(parseManifest(bytes)))
        this.#vouched.set(blobKey({ repository, digest }), true)
    } catch (error) {
      if (!isShoalError(error, 'MANIFEST_INVALID')) throw error
    }
  }

  async #first<T>(origins: readonly Origin[], query: Asker, ask: Ask<T>): Promise<T | undefined> {
    const errors: ShoalError[] = []
    for (const origin of this.#health.order(origins)) {
      try {
        const answer = await ask(origin)
        this.#health.succeeded(origin)
        this.#troubles.succeeded(origin)
        if (answer !== undefined) return answer
      } catch (error) {
        errors.push(this.#failure(origin, error, query))
      }
    }
    if (errors.length > 0) throw mostUseful(errors)
    return undefined
  }

  /** Opens the rest of a range at the first of `untried` that has it, taking out of `untried` those that were asked. */
  #open(query: BlobRangeQuery, untried: Set<Origin>) {
    return this.#first([...untried], query, async (origin) => {
      untried.delete(origin)
      const chunks = await origin.readBlob({ ...query, vouched: this.#isVouched(query) })
      if (chunks === undefined) return undefined
      query.onSource?.(origin.label, query.range.start)
      return { origin, chunks }
    })
  }

  async *#readOn(
    query: BlobRangeQuery,
    first: { readonly origin: Origin; readonly chunks: AsyncIterable<Uint8Array> },
    untried: Set<Origin>,
  ): AsyncIterable<Uint8Array> {
    const errors: ShoalError[] = []
    let at = query.range.start
    let current = first
    for (;;) {
      try {
        for await (const chunk of current.chunks) {
          at += chunk.length
          yield chunk
        }
        return
      } catch (error) {
        errors.push(this.#failure(current.origin, error, query))
      }
      const rest = { ...query, range: { start: at, end: query.range.end } }
      const next = await this.#open(rest, untried).catch((error: unknown) => {
        throw isShoalError(error) ? mostUseful([...errors, error]) : error
      })
      if (next === undefined) throw mostUseful(errors)
      current = next
    }
  }

  /** Remembers a failure that the next origin may make good; rethrows aborts, bad input and bugs. */
  #failure(origin: Origin, error: unknown, { signal, authorization }: Asker): ShoalError {
    signal.throwIfAborted()
    if (!(error instanceof ShoalError) || BAD_INPUT.includes(error.code)) throw error
    this.#health.failed(origin, error)
    // what a client's own proof is refused says nothing about the origin
    if (!authorization || error.code !== 'ORIGIN_DENIED') this.#troubles.failed(origin, error)
    this.#logger.debug({ origin: origin.label, code: error.code, err: error }, 'origin failed')
    return error
  }
}

/** An etag means something only to the origin that gave it. */
function stateFor(origin: Origin, known: TagState | undefined): TagState | undefined {
  const mark = `${origin.label}\n`
  if (known?.etag === undefined) return known
  return { digest: known.digest, etag: known.etag.startsWith(mark) ? known.etag.slice(mark.length) : undefined }
}

function blobKey({ repository, digest }: { readonly repository: string; readonly digest: Digest }): string {
  return `${repository}@${digest}`
}

import type { Clock } from '../base/clock.ts'
import type { ShoalError } from '../base/errors.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { SourceLife } from '../base/patience.ts'
import type { Digest } from '../oci/digest.ts'
import type { ByteRange } from '../piece/piece-layout.ts'
import { mostUseful } from './chain-error.ts'
import type { OriginUse } from './config.ts'
import type { OriginAsker } from './in-turn.ts'
import { OriginsInTurn } from './in-turn.ts'
import type { Origin, OriginManifest, OriginQuery, TagPage, TagResolution, TagState } from './interface.ts'
import { leaving, OriginGate } from './origin-gate.ts'
import { OriginHealth } from './origin-health.ts'
import type { WantedContent } from './origin-roles.ts'
import { OriginRoles } from './origin-roles.ts'
import type { OriginTrouble } from './origin-trouble.ts'
import { OriginTroubles } from './origin-trouble.ts'
import { QuestionsUnderWay } from './questions-under-way.ts'
import { VouchedBlobs } from './vouched-blobs.ts'

/** Told which origin (its label) supplies the bytes from `offset` in the blob on; 0 for manifests. */
type SourceListener = (label: string, offset: number) => void

interface DigestQuery extends OriginQuery, WantedContent {
  readonly onSource?: SourceListener | undefined
}

interface BlobRangeQuery extends DigestQuery {
  readonly range: ByteRange
  readonly size: number
  /** As BlobReadQuery's. */
  readonly onWhole?: (() => void) | undefined
  /** The question is put only now: until then it has waited for its turn. */
  readonly onAsked?: (() => void) | undefined
  /** Whether to ask again, a few times, while the origin is merely overloaded. */
  readonly patient?: boolean | undefined
}

export interface OriginPlace {
  readonly kind: Origin['kind']
  readonly label: string
  /** Undefined while it answers, or has not been asked. */
  readonly trouble: OriginTrouble | undefined
}

/** A blob that is being read at an origin. */
interface Opened {
  readonly origin: Origin
  readonly chunks: AsyncIterable<Uint8Array>
  readonly isWhole: boolean
}

/**
 * The origins of one upstream, asked in order until one has the answer. Unknown content and every failure lead to the
 * next; `undefined` means that all of them said "unknown", and when any failed, the most useful failure is thrown.
 * An origin that failed is asked last for some seconds.
 */
export class OriginChain implements AsyncDisposable {
  readonly #origins: readonly Origin[]
  readonly #roles: OriginRoles
  readonly #inTurn: OriginsInTurn
  readonly #vouched = new VouchedBlobs()
  readonly #health: OriginHealth
  readonly #troubles: OriginTroubles
  readonly #logger: Logger
  readonly #clock: Clock
  /** One entry per configured origin at most. */
  readonly #gates = new Map<Origin, OriginGate>()
  readonly #underWay: QuestionsUnderWay

  /** Owns `origins`. Their labels should differ. An origin without an entry in `uses` is asked for everything. */
  constructor(
    origins: readonly Origin[],
    deps: { readonly clock: Clock; readonly logger: Logger },
    uses: ReadonlyMap<Origin, readonly OriginUse[]> = new Map(),
  ) {
    this.#origins = origins
    const { clock, logger } = deps
    this.#logger = logger
    this.#clock = clock
    this.#health = new OriginHealth(clock)
    this.#troubles = new OriginTroubles(clock, logger)
    this.#underWay = new QuestionsUnderWay(clock)
    this.#roles = new OriginRoles(origins, uses, this.#health)
    const memory = { health: this.#health, troubles: this.#troubles, underWay: this.#underWay }
    this.#inTurn = new OriginsInTurn({ clock, logger, ...memory })
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
    using _asking = this.#underWay.add(query.repository, query.tag)
    const found = await this.#inTurn.first(this.#roles.usedFor('resolve'), named(query), async (origin, signal) => {
      const resolution = await origin.resolveTag({ ...query, signal, known: stateFor(origin, query.known) })
      if (resolution.kind === 'unknown') return undefined
      const given = resolution.kind === 'found' ? resolution.manifest : undefined
      if (given !== undefined && origin.kind === 'registry') this.#vouched.addNamedBy(query.repository, given.bytes)
      if (resolution.kind === 'unchanged' || resolution.state.etag === undefined) return resolution
      const { digest, etag } = resolution.state
      return { ...resolution, state: { digest, etag: `${origin.label}\n${etag}` } }
    })
    return found ?? { kind: 'unknown' }
  }

  /** As Origin.manifest. If the bytes do not match the digest, say so with `distrust` and ask again. */
  async manifest(query: DigestQuery): Promise<OriginManifest | undefined> {
    using _asking = this.#underWay.add(query.repository, query.digest)
    const found = await this.#inTurn.first(this.#roles.trusted(query), named(query), async (origin, signal) => {
      const manifest = await origin.manifest({ ...query, signal })
      return manifest === undefined ? undefined : { origin, manifest }
    })
    if (found === undefined) return undefined
    query.onSource?.(found.origin.label, 0)
    if (found.origin.kind === 'registry') this.#vouched.addNamedBy(query.repository, found.manifest.bytes)
    return found.manifest
  }

  /** As Origin.statBlob. */
  async statBlob(query: DigestQuery): Promise<{ readonly size: number } | undefined> {
    using _asking = this.#underWay.add(query.repository, query.digest)
    return await this.#inTurn.first(this.#roles.trusted(query), named(query), async (origin, signal) => {
      const stat = await origin.statBlob({ ...query, signal })
      if (stat !== undefined && origin.kind === 'registry') this.#vouched.add(query)
      return stat
    })
  }

  /**
   * As Origin.readBlob. When an origin fails in the middle, the next one goes on at the byte reached, unnoticed but for
   * `onSource`; no byte comes twice. Bytes of one range may thus come from several origins: after a failed digest,
   * `distrust` all of them.
   */
  async readBlob(query: BlobRangeQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    using _asking = this.#underWay.add(query.repository, query.digest)
    const untried = new Set(this.#roles.pulledFrom(query))
    const first = await this.#open(query, untried)
    if (first === undefined) return undefined
    const { range, size } = query
    const { origin, isWhole } = first
    if (isWhole) query.onWhole?.()
    const isAll = range.start === 0 && range.end === size
    if (isWhole || !isAll) this.#health.answeredRange(origin, !isWhole)
    return this.#readOn(
      { ...query, range: isWhole ? { start: 0, end: size } : range, onWhole: undefined },
      first,
      untried,
    )
  }

  /** What is known of the origins while they are asked about a tag or digest of a repository. */
  lifeOf(repository: string, target: string): SourceLife | undefined {
    return this.#underWay.life(repository, target)
  }

  /** Whether the origin that would be asked first is known to answer a range with that range. */
  get takesRanges(): boolean {
    const origin = this.#health.first(this.#roles.usedFor('pull'))
    return origin !== undefined && (origin.kind !== 'registry' || this.#health.takesRanges(origin))
  }

  /** Whether it is known not to. */
  get ignoresRanges(): boolean {
    const origin = this.#health.first(this.#roles.usedFor('pull'))
    return origin === undefined || this.#health.ignoresRanges(origin)
  }

  /** As Origin.listTags, of the first origin that knows the repository. */
  listTags(
    query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
  ): Promise<TagPage | undefined> {
    return this.#inTurn.first(this.#roles.usedFor('resolve'), named(query), (origin, signal) =>
      origin.listTags({ ...query, signal }),
    )
  }

  /** As Origin.referrers. */
  referrers(
    query: OriginQuery & { digest: Digest; artifactType?: string | undefined },
  ): Promise<OriginManifest | undefined> {
    return this.#inTurn.first(this.#roles.usedFor('resolve'), named(query), (origin, signal) =>
      origin.referrers({ ...query, signal }),
    )
  }

  /** As Origin.challenge, of the first origin that has one. */
  challenge(signal: AbortSignal): Promise<string | undefined> {
    return this.#inTurn.first(this.#origins, named({ signal }), (origin, asking) => origin.challenge(asking))
  }

  /**
   * Says that the origin served content that fails `digest`: for ten minutes it is not asked for that digest while there is
   * another, and where there is none, at once after the first time and then after ever longer waits.
   */
  distrust(label: string, digest: Digest): void {
    this.#logger.warn({ origin: label, digest }, 'origin served content that does not match its digest')
    this.#health.distrust(label, digest)
  }

  /** Whether every origin has lately served content that does not match this digest. */
  doubts(digest: Digest): boolean {
    return this.#roles.doubts(digest)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#origins.map((origin) => origin[Symbol.asyncDispose]()))
  }

  /** Opens the rest of a range at the first of `untried` that has it, taking out of `untried` those that were asked. */
  async #open(query: BlobRangeQuery, untried: Set<Origin>): Promise<Opened | undefined> {
    const asker: OriginAsker = { ...named(query), kind: 'blobs', patient: query.patient === true }
    const opened = await this.#inTurn.first([...untried], asker, async (origin, signal) => {
      untried.delete(origin)
      return this.#read(origin, { ...query, signal })
    })
    if (opened !== undefined) query.onSource?.(opened.origin.label, query.range.start)
    return opened
  }

  /** Reads at one origin, in turn with others that do. */
  async #read(origin: Origin, query: BlobRangeQuery): Promise<Opened | undefined> {
    const gate = this.#gate(origin)
    const leave = await gate.enter(query.signal)
    let isWhole = false
    const noteWhole = (): void => {
      isWhole = true
    }
    const onWhole = query.onWhole === undefined ? undefined : noteWhole
    let chunks: AsyncIterable<Uint8Array> | undefined
    try {
      query.onAsked?.()
      chunks = await origin.readBlob({ ...query, onWhole, vouched: this.#vouched.has(query) })
      return chunks === undefined ? undefined : { origin, chunks: leaving(chunks, leave, query.signal), isWhole }
    } catch (error) {
      if (isShoalError(error, 'ORIGIN_THROTTLED')) gate.refused()
      throw error
    } finally {
      if (chunks === undefined) leave()
    }
  }

  #gate(origin: Origin): OriginGate {
    const gate = this.#gates.get(origin) ?? new OriginGate(this.#clock)
    this.#gates.set(origin, gate)
    return gate
  }

  async *#readOn(query: BlobRangeQuery, first: Opened, untried: Set<Origin>): AsyncIterable<Uint8Array> {
    const asker: OriginAsker = { ...named(query), kind: 'blobs' }
    const errors: ShoalError[] = []
    let at = query.range.start
    let current = first
    for (;;) {
      try {
        for await (const chunk of current.chunks) {
          this.#underWay.heard()
          at += chunk.length
          yield chunk
        }
        return
      } catch (error) {
        errors.push(this.#inTurn.failure(current.origin, error, asker))
      }
      const rest = { ...query, range: { start: at, end: query.range.end } }
      const next = await this.#open(rest, untried).catch((error: unknown) => {
        throw isShoalError(error) ? mostUseful([...errors, error]) : error
      })
      if (next === undefined) throw mostUseful(errors)
      current = next
    }
  }
}

/** An etag means something only to the origin that gave it. */
function stateFor(origin: Origin, known: TagState | undefined): TagState | undefined {
  const mark = `${origin.label}\n`
  if (known?.etag === undefined) return known
  return { digest: known.digest, etag: known.etag.startsWith(mark) ? known.etag.slice(mark.length) : undefined }
}

/** Whoever asks for words about content. */
function named({ signal, authorization }: Pick<OriginQuery, 'signal' | 'authorization'>): OriginAsker {
  return { signal, authorization, kind: 'names', patient: true }
}

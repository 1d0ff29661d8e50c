import { LRUCache } from 'lru-cache'
import type { Outcome, Refusal } from '../base/outcome.ts'
import { isRefused, refused } from '../base/outcome.ts'
import type { OriginChain } from '../origin/index.ts'
import type { ByteRange } from '../piece/piece-layout.ts'
import { PieceLayout, pieceSizeFor } from '../piece/piece-layout.ts'
import type { Granted, PeerLink } from '../swarm/index.ts'
import { WIRE_LIMITS } from '../swarm/index.ts'
import type { Asker } from '../tier/index.ts'
import { Ladder, requestOf } from '../tier/index.ts'
import type { TransferDeps } from './deps.ts'
import type { Engine } from './engine.ts'
import type { Following } from './following.ts'
import { awaitedBy } from './following.ts'
import { transferRequests } from './messages.ts'
import type { PiecesBehind } from './pieces-behind.ts'
import type { Transfer, TransferRef } from './transfer.ts'

/** Hosts that start together ask for the same range within this. */
const KEPT_MS = 10_000
const KEPT_BYTES = 16 * 1024 * 1024

const ONLY_PIECES = refused('unavailable', 'only pieces are to be had')

interface RangeQuery extends Omit<TransferRef, 'authorization'>, ByteRange {
  readonly size: number
}

/** Who asks for a range. */
interface RangeAsker {
  readonly asker: Asker
  /** The peer that asks, if one does, and whether it may have what is here already; undefined is yes. */
  readonly peer?: { readonly link: PeerLink; readonly mayHave: () => Promise<Refusal | undefined> }
}

type FoundRange = Granted<typeof transferRequests.range>

/**
 * Small ranges for those who read parts of a blob that is not here: as they are, where a piece takes several times as long on a
 * slow link, and twice, as it must be whole to be passed on. They come by the word of the origin itself or of a cache over
 * its own link, as hashes do, and once for all who ask together. Their pieces follow at homes alone, for those who ask later.
 */
export class Ranges {
  readonly #deps: TransferDeps
  readonly #engine: Engine
  readonly #following: Following
  readonly #behind: PiecesBehind
  readonly #ladder: Ladder<FoundRange>
  readonly #kept: LRUCache<string, FoundRange>

  constructor(deps: TransferDeps, engine: Engine, following: Following, behind: PiecesBehind) {
    this.#deps = deps
    this.#kept = new LRUCache({
      maxSize: KEPT_BYTES,
      sizeCalculation: ({ bytes }) => Math.max(1, bytes.length),
      ttl: KEPT_MS,
      perf: deps.clock,
      ttlResolution: 0,
    })
    this.#engine = engine
    this.#following = following
    this.#behind = behind
    this.#ladder = new Ladder(deps)
  }

  /** Whether a range is worth asking for by itself: it is small, its pieces are not here, and nobody reads on to it. */
  isWorthAsking(query: RangeQuery): boolean {
    const { digest, start, end } = query
    if (!this.#mayCome(query) || this.#deps.store.size(digest) !== undefined) return false
    const transfer = this.#engine.actives.find(digest)?.transfer
    if (transfer !== undefined && holds(transfer, { start, end })) return false
    return !this.#following.isReadOn(digest, { start, end, isPart: true })
  }

  /** The bytes, or why they do not come by themselves: then their pieces will. Rejects with the signal's reason. */
  async find(query: RangeQuery, from: RangeAsker, signal: AbortSignal): Promise<Outcome<FoundRange>> {
    const { upstream, repository, digest, size, start, end } = query
    if (!this.#mayCome(query)) return ONLY_PIECES
    const here = await this.#here(query, from)
    if (here !== undefined) return here
    const asked = { upstream, repository, digest, size, start, end }
    const name = JSON.stringify(asked)
    const kept = this.#kept.get(name)
    if (kept !== undefined) return kept
    // without its caches a region's hosts would each read the origin
    if (this.#deps.tier.acting) return ONLY_PIECES
    const found = await this.#ladder.climb(
      {
        upstream,
        key: digest,
        name,
        onlyCaches: true,
        request: requestOf(transferRequests.range, asked),
        take: async ({ answer, link, from: rung }) => {
          if (answer.bytes.length !== end - start) return 'above'
          if (rung === 'parent') this.#note(query)
          this.#engine.metrics.received(digest, link, answer.bytes.length)
          return answer
        },
        atOrigin: (chain, shared) => {
          from.asker.charge()
          return this.#atOrigin(query, chain, shared)
        },
      },
      from.asker,
      signal,
    )
    if (!isRefused(found)) this.#kept.set(name, found)
    return found
  }

  /**
   * Not of a blob of one piece, which is proven whole before any of it leaves, nor of one whose bytes have failed their digest.
   */
  #mayCome({ digest, size, start, end }: RangeQuery): boolean {
    const isSmall = end > start && end <= size && end - start <= WIRE_LIMITS.rangeBytes
    return isSmall && size > pieceSizeFor(size) && !this.#engine.endings.tainted(digest)
  }

  async #here({ digest, start, end }: RangeQuery, { peer }: RangeAsker): Promise<Outcome<FoundRange> | undefined> {
    const active = this.#engine.actives.find(digest)
    const transfer = active?.transfer
    const isArriving = transfer !== undefined && holds(transfer, { start, end })
    if (!isArriving && this.#deps.store.size(digest) === undefined) return undefined
    // as long as parts of it are read, its pieces stay open
    active?.isOfUse(this.#deps.clock.now())
    const refusal = await peer?.mayHave()
    if (refusal !== undefined) return refusal
    await using stored = isArriving ? undefined : await this.#deps.store.open(digest)
    const source = stored ?? (isArriving ? transfer : undefined)
    if (source === undefined) return undefined
    const bytes = Buffer.alloc(end - start)
    for (let offset = start; offset < end; ) {
      const until = Math.min(end, source.layout.range(source.layout.pieceAt(offset)).end)
      await source.readInto(bytes.subarray(offset - start, until - start), offset)
      offset = until
    }
    return { kind: 'inline', bytes }
  }

  async #atOrigin(query: RangeQuery, chain: OriginChain, signal: AbortSignal): Promise<Outcome<FoundRange>> {
    const { repository, digest, size, start, end } = query
    if (chain.ignoresRanges) return ONLY_PIECES
    const { origin, download } = this.#deps.limits
    for (const limit of [origin, download]) await limit.take(end - start, signal)
    const whole = new AbortController()
    const chunks = await chain.readBlob({
      repository,
      digest,
      size,
      range: { start, end },
      signal: AbortSignal.any([signal, whole.signal]),
      onWhole: () => whole.abort(),
    })
    if (chunks === undefined) return refused('unknown', `${repository} has no ${digest}`)
    if (whole.signal.aborted) return ONLY_PIECES
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(Buffer.from(chunk))
    const bytes = Buffer.concat(parts)
    this.#engine.metrics.received(digest, 'origin', bytes.length)
    if (bytes.length !== end - start) return ONLY_PIECES
    this.#note(query)
    return { kind: 'inline', bytes }
  }

  /** This host is home of it: what it has read above is to be here for those who ask later. */
  #note({ upstream, repository, digest, size, start, end }: RangeQuery): void {
    const awaits = awaitedBy(new PieceLayout(digest, size), { start, end, isPart: true })
    this.#behind.note({ upstream, repository, digest, size, awaits })
  }
}

function holds(transfer: Transfer, { start, end }: ByteRange): boolean {
  const { layout } = transfer
  if (end > layout.size) return false
  for (let piece = layout.pieceAt(start); piece <= layout.pieceAt(end - 1); piece++) {
    if (!transfer.servable(piece, true)) return false
  }
  return true
}

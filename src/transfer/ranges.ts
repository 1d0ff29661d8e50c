import { LRUCache } from 'lru-cache'
import type { Outcome, Refusal } from '../base/outcome.ts'
import { isRefused, refused } from '../base/outcome.ts'
import type { Digest } from '../oci/digest.ts'
import type { OriginChain } from '../origin/index.ts'
import type { ByteRange } from '../piece/piece-layout.ts'
import { PieceLayout, pieceSizeFor } from '../piece/piece-layout.ts'
import type { PeerLink } from '../swarm/index.ts'
import { WIRE_LIMITS } from '../swarm/index.ts'
import type { Asker } from '../tier/index.ts'
import { Ladder } from '../tier/index.ts'
import { ArrivingRange } from './arriving-range.ts'
import type { TransferDeps } from './deps.ts'
import type { Engine } from './engine.ts'
import type { Following } from './following.ts'
import { awaitedBy } from './following.ts'
import type { RangeRequest, RangeResponse } from './messages.ts'
import { transferMessages, transferRequests } from './messages.ts'
import type { PiecesBehind } from './pieces-behind.ts'
import type { RangeStreams } from './range-streams.ts'
import type { Transfer, TransferRef } from './transfer.ts'

/** Hosts that start together ask for the same range within this. */
const KEPT_MS = 10_000
const KEPT_BYTES = 16 * 1024 * 1024

/** Less than this is not worth a message of its own: at 24 Mb/s it takes 5 ms. */
const LEAST_SENT_BYTES = 16 * 1024

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

/** A range of which something is here. */
export interface FoundRange {
  readonly bytes: ArrivingRange
  /** No more comes: undefined when all of it has, or why not. Rejects with the signal's reason. */
  readonly ended: Promise<Refusal | undefined>
}

interface RangesDeps {
  readonly engine: Engine
  readonly following: Following
  readonly behind: PiecesBehind
  readonly streams: RangeStreams
}

const ENDED: Promise<undefined> = Promise.resolve(undefined)

/**
 * Small ranges for those who read parts of a blob that is not here: as they are, where a piece takes several times as long on a
 * slow link, and twice, as it must be whole to be passed on. They come by the word of the origin itself or of a cache over
 * its own link, as hashes do. Each host passes on what has come and does not wait for the rest.
 *
 * What an origin gives of them does not grow with the hosts that read: hosts ask their home alone, the homes of a region that
 * above it, and a home reads a range once for all who ask while it comes (the ladder's flight, by the range's name) or within
 * ten seconds (`#kept`), and by then has its pieces, which follow at homes alone, for those who ask later.
 */
export class Ranges {
  readonly #deps: TransferDeps
  readonly #engine: Engine
  readonly #following: Following
  readonly #behind: PiecesBehind
  readonly #streams: RangeStreams
  readonly #ladder: Ladder<ArrivingRange>
  /** Those that have come lately, or are coming. */
  readonly #kept: LRUCache<string, ArrivingRange>

  constructor(deps: TransferDeps, { engine, following, behind, streams }: RangesDeps) {
    this.#deps = deps
    this.#kept = new LRUCache({
      maxSize: KEPT_BYTES,
      sizeCalculation: ({ length }) => Math.max(1, length),
      ttl: KEPT_MS,
      perf: deps.clock,
      ttlResolution: 0,
    })
    this.#engine = engine
    this.#following = following
    this.#behind = behind
    this.#streams = streams
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

  /** As soon as its first bytes are here, or why they do not come by themselves: then their pieces will. Rejects with the signal's reason. */
  async find(query: RangeQuery, from: RangeAsker, signal: AbortSignal): Promise<Outcome<FoundRange>> {
    if (!this.#mayCome(query)) return ONLY_PIECES
    const here = await this.#here(query, from)
    if (isRefused(here)) return here
    if (here !== undefined) return { bytes: here, ended: ENDED }
    const name = nameOf(query)
    const bytes = this.#kept.get(name) ?? new ArrivingRange(query)
    if (bytes.isWhole) return { bytes, ended: ENDED }
    // without its caches a region's hosts would each read the origin
    if (this.#deps.tier.acting) return ONLY_PIECES
    this.#kept.set(name, bytes)
    const ended = this.#fetch(query, bytes, from, signal)
    // whoever reads hears of it
    ended.catch(() => {})
    const refusal = await Promise.race([ended, bytes.next > query.start ? ENDED : bytes.more()])
    return isRefused(refusal) ? refusal : { bytes, ended }
  }

  /** What a peer is told that asks for a range: what comes as it comes, if it takes that, and then the rest. */
  async answer(body: RangeRequest, from: Required<RangeAsker>, signal: AbortSignal): Promise<RangeResponse> {
    const found = await this.find(body, from, signal)
    if (isRefused(found)) return found
    const { bytes, ended } = found
    const { link } = from.peer
    let at = body.start
    const told = (some: Uint8Array): Uint8Array => {
      at += some.length
      return this.#engine.metrics.sentWhole(link, some)
    }
    while (!bytes.isWhole) {
      const some = bytes.from(at)
      // to a peer that does not read it is one answer, which waits with all others
      if (body.stream !== undefined && some.length >= LEAST_SENT_BYTES && link.hasRoom)
        link.send(transferMessages.rangeBytes, { id: body.stream, bytes: told(some) })
      const refusal = await Promise.race([ended, bytes.more()])
      if (isRefused(refusal)) return refusal
    }
    return { kind: 'inline', bytes: told(bytes.from(at)) }
  }

  /** Of a blob that is purged nothing is kept, and nothing follows; its pieces wait for nobody, if only parts were read. */
  forget(digest: Digest): void {
    for (const name of this.#kept.keys()) if (name.startsWith(digest)) this.#kept.delete(name)
    this.#behind.forget(digest)
    const active = this.#engine.actives.find(digest)
    if (active?.awaits !== undefined) active.isOfNoUse()
  }

  /** Fetches what is still to come of a range. */
  async #fetch(
    query: RangeQuery,
    bytes: ArrivingRange,
    { asker }: RangeAsker,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const { upstream, digest, start } = query
    const name = nameOf(query)
    const found = await this.#ladder.climb(
      {
        upstream,
        key: digest,
        name,
        onlyCaches: true,
        request: {
          name: transferRequests.range.name,
          ask: (link, asking) => this.#ask(query, bytes, link, asking),
        },
        take: async ({ from: rung }) => {
          if (!bytes.isWhole) return 'above'
          if (rung === 'parent') this.#note(query)
          return bytes
        },
        atOrigin: (chain, shared) => {
          asker.charge()
          return this.#atOrigin(query, bytes, chain, shared)
        },
      },
      asker,
      signal,
    )
    if (isRefused(found)) {
      if (bytes.next === start) this.#kept.delete(name)
      return found
    }
    // it may have come for another who asked before
    bytes.put(start, found.from(start))
    this.#kept.set(name, bytes)
    return undefined
  }

  /** Asks a home for what has not come yet. */
  async #ask(query: RangeQuery, bytes: ArrivingRange, link: PeerLink, signal: AbortSignal): Promise<RangeResponse> {
    const { upstream, repository, digest, size, end } = query
    let start = bytes.next
    if (start === end) return { kind: 'inline', bytes: new Uint8Array() }
    const take = (some: Uint8Array): void => {
      this.#engine.metrics.received(digest, link, some.length)
      bytes.put(start, some)
      start += some.length
    }
    using stream = link.speaks(transferMessages.rangeBytes) ? this.#streams.open(link, take) : undefined
    const asked = { upstream, repository, digest, size, start, end, stream: stream?.id }
    const answer = await link.request(transferRequests.range, asked, signal)
    if (!isRefused(answer)) take(answer.bytes)
    return answer
  }

  /**
   * Not of a blob of one piece, which is proven whole before any of it leaves, nor of one whose bytes have failed their digest.
   */
  #mayCome({ digest, size, start, end }: RangeQuery): boolean {
    const isSmall = end > start && end <= size && end - start <= WIRE_LIMITS.rangeBytes
    return isSmall && size > pieceSizeFor(size) && !this.#engine.endings.tainted(digest)
  }

  async #here({ digest, start, end }: RangeQuery, { peer }: RangeAsker): Promise<ArrivingRange | Refusal | undefined> {
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
    return ArrivingRange.of(start, bytes)
  }

  async #atOrigin(
    query: RangeQuery,
    bytes: ArrivingRange,
    chain: OriginChain,
    signal: AbortSignal,
  ): Promise<Outcome<ArrivingRange>> {
    const { repository, digest, size, end } = query
    if (chain.ignoresRanges) return ONLY_PIECES
    let start = bytes.next
    if (start === end) return bytes
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
    for await (const chunk of chunks) {
      this.#engine.metrics.received(digest, 'origin', chunk.length)
      bytes.put(start, chunk)
      start += chunk.length
    }
    if (!bytes.isWhole) return ONLY_PIECES
    this.#note(query)
    return bytes
  }

  /** This host is home of it: what it has read above is to be here for those who ask later. */
  #note({ upstream, repository, digest, size, start, end }: RangeQuery): void {
    const awaits = awaitedBy(new PieceLayout(digest, size), { start, end, isPart: true })
    this.#behind.note({ upstream, repository, digest, size, awaits })
  }
}

/** By which those who ask share it. */
function nameOf({ upstream, repository, digest, size, start, end }: RangeQuery): string {
  return `${digest} ${start}-${end}/${size} ${upstream}/${repository}`
}

function holds(transfer: Transfer, { start, end }: ByteRange): boolean {
  const { layout } = transfer
  if (end > layout.size) return false
  for (let piece = layout.pieceAt(start); piece <= layout.pieceAt(end - 1); piece++) {
    if (!transfer.servable(piece, true)) return false
  }
  return true
}

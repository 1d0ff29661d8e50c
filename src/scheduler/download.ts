import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { DownloadSpec, SourceKind } from './leecher-types.ts'
import { isBackground } from './leecher-types.ts'
import { OriginState } from './origin-state.ts'
import { PeerSearch } from './peer-search.ts'
import { Progress } from './progress.ts'

/** A piece with fewer known holders than this is rare: it goes before lower-numbered ones. */
const RARE_HOLDERS = 3
/** Pieces that readers of one blob may wait for at a time: with more of them, they come in the blob's order. */
const AWAITED_MOST = 64

interface BlobSource {
  readonly kind: SourceKind
  has: Bitfield | undefined
}

/** The state of one blob being fetched: who has what, what is asked for, what is here. Decides nothing about sources. */
export class Download {
  readonly blob: number
  readonly spec: DownloadSpec
  readonly startedAt: number
  readonly hashKnown: Bitfield
  readonly sources = new Map<number, BlobSource>()
  readonly #have: Bitfield
  /** Requests and origin ranges that will bring each piece. */
  readonly #pending: Uint8Array
  /** Pieces that are missing and that nothing will bring: kept with the two above. */
  readonly #idle: Bitfield
  readonly #holders: Uint16Array
  cursor = 0
  #order: number
  /** Pieces that may be here or under way; undefined = all. */
  #limit: number | undefined
  readonly origin = new OriginState()
  /** What readers of small parts wait for, the first asked for first: it goes before all else of the blob. */
  readonly awaited = new Set<number>()
  readonly progress: Progress
  readonly search: PeerSearch
  /** Whether its home is a host that stands in for a cache. */
  hasStandIn = false
  completed = false

  constructor(blob: number, spec: DownloadSpec, now: number) {
    this.blob = blob
    this.spec = spec
    this.#order = spec.order
    this.#limit = spec.limit
    this.#have = Bitfield.copyOf(spec.have)
    this.#idle = Bitfield.full(spec.pieces)
    for (let piece = 0; piece < spec.pieces; piece++) if (spec.have.has(piece)) this.#idle.clear(piece)
    this.hashKnown = new Bitfield(spec.pieces)
    this.#pending = new Uint8Array(spec.pieces)
    this.#holders = new Uint16Array(spec.pieces)
    this.startedAt = now
    this.progress = new Progress(now)
    this.search = new PeerSearch(now)
  }

  get have(): ReadonlyBitfield {
    return this.#have
  }

  /** Its place among the others. */
  get order(): number {
    return this.#order
  }

  /** How many more pieces may be asked for. */
  get room(): number {
    if (this.#limit === undefined) return Number.POSITIVE_INFINITY
    return Math.max(0, this.#limit - (this.#have.length - this.#idle.count))
  }

  /** Whether nothing of it may be asked for at the moment. */
  get heldBack(): boolean {
    return this.room === 0 && this.awaited.size === 0
  }

  /** Whether nobody waits for it. */
  get background(): boolean {
    return isBackground(this.#order)
  }

  /** Changes its place among the others and what may be fetched. What was held back until now is not late. */
  steer(order: number, limit: number | undefined, now: number): void {
    if (this.heldBack) this.progress.lively(now)
    this.#order = order
    this.#limit = limit
  }

  /** All of it comes. */
  holdNothingBack(): void {
    this.#limit = undefined
  }

  /** A reader waits for these, whatever the limit; where they are more than may be waited for, nothing is held back. */
  expect({ first, count }: { first: number; count: number }): void {
    const end = Math.min(first + count, this.#have.length)
    for (let piece = first; piece < end; piece++) {
      if (this.#have.has(piece)) continue
      if (this.awaited.size < AWAITED_MOST) this.awaited.add(piece)
      else this.#limit = undefined
    }
  }

  /** Whether it misses a piece whose hash is known: somebody has that. */
  get missesKnown(): boolean {
    for (let word = 0; word < this.#have.words; word++) {
      if ((this.hashKnown.word(word) & ~this.#have.word(word)) !== 0) return true
    }
    return false
  }

  /** Whether it is missing and nothing is under way for it, inside the window or not. */
  isIdle(piece: number): boolean {
    return this.#idle.has(piece)
  }

  /** Whether something is under way for every missing piece. */
  get nothingIdle(): boolean {
    return this.#idle.count === 0
  }

  /** How many requests and origin ranges will bring a piece. */
  pending(piece: number): number {
    return this.#pending[piece] ?? 0
  }

  /** One more will bring it. */
  take(piece: number): void {
    this.#pending[piece]!++
    this.#idle.clear(piece)
  }

  /** One fewer will bring it. */
  release(piece: number): void {
    if (--this.#pending[piece]! === 0 && !this.#have.has(piece)) this.#idle.set(piece)
  }

  /** It is here; returns whether it was missing. */
  keep(piece: number): boolean {
    this.#idle.clear(piece)
    this.awaited.delete(piece)
    return this.#have.set(piece)
  }

  /** It is missing after all. */
  drop(piece: number): void {
    if (this.#have.clear(piece) && this.#pending[piece] === 0) this.#idle.set(piece)
    // a peer that has been told that it is here may be at it
    if (this.#limit !== undefined) this.expect({ first: piece, count: 1 })
  }

  addSource(source: number, kind: SourceKind): void {
    if (this.sources.get(source)?.kind === kind) return
    this.removeSource(source)
    this.sources.set(source, { kind, has: undefined })
  }

  /** Forgets a source; returns what it was. */
  removeSource(source: number): SourceKind | undefined {
    const known = this.sources.get(source)
    if (known === undefined) return undefined
    if (known.has !== undefined && known.kind === 'peer') this.#count(known.has, -1)
    if (known.kind !== 'peer') this.progress.parted()
    this.sources.delete(source)
    return known.kind
  }

  setBits(source: number, bits: ReadonlyBitfield): void {
    const known = this.sources.get(source)
    if (known === undefined || bits.length !== this.#have.length) return
    if (known.has !== undefined && known.kind === 'peer') this.#count(known.has, -1)
    known.has = Bitfield.copyOf(bits)
    if (known.kind === 'peer') this.#count(known.has, 1)
  }

  addHave(source: number, piece: number): void {
    const known = this.sources.get(source)
    if (known === undefined) return
    known.has ??= new Bitfield(this.#have.length)
    if (known.has.set(piece) && known.kind === 'peer') this.#holders[piece]!++
  }

  /** Whether `piece` is missing, nobody brings it yet, and it lies in the window. */
  open(piece: number): boolean {
    return this.#idle.has(piece) && this.inWindow(piece)
  }

  inWindow(piece: number): boolean {
    const { window } = this.spec
    return window === undefined || window.has(piece)
  }

  /** Whether anything is missing that may be fetched now. */
  get wanting(): boolean {
    if (this.spec.window === undefined) return !this.#have.complete
    for (let piece = 0; piece < this.#have.length; piece++) {
      if (this.inWindow(piece) && !this.#have.has(piece)) return true
    }
    return false
  }

  /**
   * What to ask of a source: rare pieces first, rarest of all before the others, then the lowest number - which costs
   * 0.3 % against rarest-first throughout and makes the stream contiguous early. -1 when it has nothing to give.
   */
  pick(source: number): number {
    const known = this.sources.get(source)
    if (known === undefined || known.kind === 'home' || this.completed) return -1
    for (const piece of this.awaited) if (this.open(piece) && this.#mayAsk(known, piece)) return piece
    if (this.room === 0) return -1
    if (known.kind === 'parent') return this.#pickOfParent()
    if (known.has === undefined) return -1
    let best = -1
    let bestRank = RARE_HOLDERS + 1
    for (let word = 0; word < known.has.words; word++) {
      let bits: number = known.has.word(word) & this.#idle.word(word) & this.hashKnown.word(word)
      while (bits !== 0) {
        const piece = word * 32 + 31 - Math.clz32(bits & -bits)
        bits &= bits - 1
        const rank = Math.min(this.#holders[piece]!, RARE_HOLDERS)
        if (rank < bestRank && this.inWindow(piece)) {
          best = piece
          bestRank = rank
          if (rank <= 1) return best
        }
      }
    }
    return best
  }

  #mayAsk({ kind, has }: BlobSource, piece: number): boolean {
    return kind === 'parent' || (has?.has(piece) === true && this.hashKnown.has(piece))
  }

  /** Of a parent: the lowest piece it is known to have (it vouched for its hash), else the lowest missing, to wait for. */
  #pickOfParent(): number {
    let waiting = -1
    for (let piece = 0; piece < this.#have.length; piece++) {
      if (!this.open(piece)) continue
      if (this.hashKnown.has(piece)) return piece
      if (waiting < 0) waiting = piece
    }
    return waiting
  }

  /** What a home may choose from: missing pieces that nothing is under way for, or all that are missing. */
  wanted(all: boolean): Bitfield {
    if (!all && this.spec.window === undefined) return this.#idle.copy()
    const wanted = new Bitfield(this.#have.length)
    for (let piece = 0; piece < wanted.length; piece++) {
      const missing = all && !this.#have.has(piece) && this.inWindow(piece)
      if (missing || this.open(piece)) wanted.set(piece)
    }
    return wanted
  }

  /** Whether a usable neighbour has a piece whose hash is known. */
  neighbourHas(piece: number, usable: (source: number) => boolean): boolean {
    if (this.#holders[piece] === 0 || !this.hashKnown.has(piece)) return false
    for (const [source, known] of this.sources) {
      if (known.kind === 'peer' && known.has?.has(piece) === true && usable(source)) return true
    }
    return false
  }

  #count(has: Bitfield, by: number): void {
    for (let piece = 0; piece < has.length; piece++) if (has.has(piece)) this.#holders[piece]! += by
  }
}

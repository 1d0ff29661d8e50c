import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { PROOF_BYTES } from '../piece/piece-proof.ts'
import type { HashRun } from '../swarm/index.ts'

export const HASH_BYTES = PROOF_BYTES
/** Hashes that are signed, and looked at, at once: what a blob of 32 GiB and more has is cut into several runs. */
const MOST_PER_RUN = 16_384

/**
 * Why a piece's hash is believed. A peer's word is enough to keep a piece, never to show it to a runtime; what a cache has
 * signed is. Passed on by another, it may be of a content that the cache has found wrong since, so the cache's own link
 * overrules it, and it convicts nobody. The proof of the whole digest stands above all and is kept by the transfer.
 */
type Trust = 'word' | 'passed' | 'vouched' | 'own'

const RANK: Readonly<Record<Trust, number>> = { word: 1, passed: 2, vouched: 3, own: 4 }

interface Entry {
  readonly hash: Uint8Array
  readonly trust: Trust
}

/** Vouches for hashes; undefined when this host may not any more. */
export type Signer = (first: number, hashes: Uint8Array) => Uint8Array | undefined

/** The piece hashes of one blob: where each comes from, and how they are handed on. */
export class PieceHashes {
  readonly #layout: PieceLayout
  readonly #entries: (Entry | undefined)[]
  /** Vouched runs as received, to pass on with their signatures. */
  #received: HashRun[] = []

  constructor(layout: PieceLayout) {
    this.#layout = layout
    this.#entries = new Array(layout.count)
  }

  hash(piece: number): Uint8Array | undefined {
    return this.#entries[piece]?.hash
  }

  /** Whether the piece's bytes may go to a runtime before the whole digest is proven. */
  trusted(piece: number): boolean {
    const entry = this.#entries[piece]
    return entry !== undefined && entry.trust !== 'word'
  }

  /** Whether a mismatch proves that the sender of the bytes lied, rather than the sender of the hash. */
  vouched(piece: number): boolean {
    return this.#entries[piece]?.trust === 'vouched'
  }

  /** A hash that was passed on did not hold: the cache itself will say. */
  doubt(piece: number): void {
    if (this.#entries[piece]?.trust === 'passed') this.#entries[piece] = undefined
  }

  /** Whether it teaches nothing: all its hashes are known and trusted, and the same. */
  covers({ first, hashes }: HashRun): boolean {
    for (let offset = 0; offset < hashes.length; offset += HASH_BYTES) {
      const entry = this.#entries[first + offset / HASH_BYTES]
      if (entry === undefined || entry.trust === 'word') return false
      if (!sameBytes(entry.hash, hashes.subarray(offset, offset + HASH_BYTES))) return false
    }
    return true
  }

  /** This host read the piece from the origin itself. */
  setOwn(piece: number, hash: Uint8Array): void {
    this.#put(piece, { hash, trust: 'own' })
  }

  /**
   * Takes a run in; out-of-range runs are ignored. Returns the pieces whose hash was known otherwise before and less
   * trusted: what is on disk for them is wrong.
   */
  addRun(
    run: HashRun,
    trust: Exclude<Trust, 'own'>,
  ): { readonly first: number; readonly count: number; readonly overruled: number[] } {
    const count = run.hashes.length / HASH_BYTES
    const overruled: number[] = []
    if (!Number.isInteger(count) || run.first + count > this.#layout.count) return { first: 0, count: 0, overruled }
    for (let i = 0; i < count; i++) {
      const piece = run.first + i
      const hash = run.hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES)
      const before = this.#entries[piece]?.hash
      if (!this.#put(piece, { hash, trust })) continue
      if (before !== undefined && !sameBytes(before, hash)) overruled.push(piece)
    }
    if (trust !== 'word') this.#remember(run)
    return { first: run.first, count, overruled }
  }

  /**
   * What to hand to others, for the pieces of `have` if given. With a signer: as few runs as possible, signed anew.
   * Without: the vouched runs as they came, and if there are none, this host's own word.
   */
  runs(have: ReadonlyBitfield | undefined, sign: Signer | undefined): HashRun[] {
    if (sign === undefined && this.#received.length > 0) return this.#received
    const runs: HashRun[] = []
    for (let first = 0; first < this.#layout.count; first++) {
      let end = first
      while (end < this.#layout.count && end - first < MOST_PER_RUN && this.#handable(end, have)) end++
      if (end === first) continue
      runs.push(this.run(first, end - first, sign))
      // the loop goes on with the next
      first = end - 1
    }
    return runs
  }

  /** One run over pieces that all have a hash. */
  run(first: number, count: number, sign: Signer | undefined): HashRun {
    const hashes = new Uint8Array(count * HASH_BYTES)
    for (let i = 0; i < count; i++)
      hashes.set(this.#entries[first + i]?.hash ?? new Uint8Array(HASH_BYTES), i * HASH_BYTES)
    return sign === undefined ? { first, hashes } : { first, hashes, signature: sign(first, hashes) }
  }

  /** The whole digest is proven: so is every hash. Returns whether some had been no more than somebody's word. */
  proven(): boolean {
    const hadWords = this.#entries.some((entry) => entry?.trust === 'word')
    for (const [piece, entry] of this.#entries.entries()) {
      if (entry !== undefined) this.#entries[piece] = { hash: entry.hash, trust: 'own' }
    }
    return hadWords
  }

  /** What is no more than somebody's word is forgotten. */
  forgetWords(): void {
    for (const [piece, entry] of this.#entries.entries()) {
      if (entry?.trust === 'word') this.#entries[piece] = undefined
    }
  }

  clear(): void {
    this.#entries.fill(undefined)
    this.#received = []
  }

  #handable(piece: number, have: ReadonlyBitfield | undefined): boolean {
    return this.trusted(piece) && (have === undefined || have.has(piece))
  }

  #put(piece: number, entry: Entry): boolean {
    const before = this.#entries[piece]
    if (before !== undefined && RANK[before.trust] > RANK[entry.trust]) return false
    // of two that were passed on, nobody can say which is older
    if (before?.trust === 'passed' && entry.trust === 'passed') return false
    this.#entries[piece] = entry
    return true
  }

  /** Keeps a received run unless what is kept already covers it: the list stays shorter than the blob's pieces. */
  #remember(run: HashRun): void {
    const end = (r: HashRun): number => r.first + r.hashes.length / HASH_BYTES
    if (this.#received.some((r) => r.first <= run.first && end(r) >= end(run) && sameRun(r, run))) return
    this.#received = this.#received.filter((r) => r.first < run.first || end(r) > end(run))
    this.#received.push(run)
  }
}

function sameRun(outer: HashRun, inner: HashRun): boolean {
  const offset = (inner.first - outer.first) * HASH_BYTES
  return sameBytes(outer.hashes.subarray(offset, offset + inner.hashes.length), inner.hashes)
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

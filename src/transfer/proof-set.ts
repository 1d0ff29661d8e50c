import { isLink, sameBytes, stateAfter, stateBefore } from '../piece/piece-proof.ts'
import type { HashRun } from '../swarm/index.ts'
import type { Signer } from './hash-run.ts'
import { countOf, isProofIn, proofIn, runOfProofs } from './hash-run.ts'

/** Proofs that are signed, and looked at, at once: what a blob of 32 GiB and more has is cut into several runs. */
const MOST_PER_RUN = 16_384

/**
 * Why a piece's proof is believed. A peer's word is enough to keep a piece, never to show it to a runtime; what a cache has
 * signed is. Passed on by another, it may be of a content that the cache has found wrong since, so the cache's own link
 * overrules it, and it convicts nobody. The proof of the whole digest stands above all and is kept by the transfer.
 */
export type Trust = 'word' | 'passed' | 'vouched' | 'own'

const RANK: Readonly<Record<Trust, number>> = { word: 1, passed: 2, vouched: 3, own: 4 }

interface Entry {
  readonly proof: Uint8Array
  readonly trust: Trust
  /** This host has made it of bytes that are here by another proof. */
  readonly isMade?: boolean
}

/** The proofs of one kind of one blob's pieces: where each comes from, and how they are handed on. */
export class ProofSet {
  readonly #entries: (Entry | undefined)[]
  /** Vouched runs as received, to pass on with their signatures. */
  #received: HashRun[] = []

  constructor(pieces: number) {
    this.#entries = new Array(pieces)
  }

  get received(): readonly HashRun[] {
    return this.#received
  }

  proof(piece: number): Uint8Array | undefined {
    return this.#entries[piece]?.proof
  }

  trust(piece: number): Trust | undefined {
    return this.#entries[piece]?.trust
  }

  /** How far it is believed; 0: there is none. */
  rank(piece: number): number {
    const trust = this.#entries[piece]?.trust
    return trust === undefined ? 0 : RANK[trust]
  }

  /** Whether bytes of this proof may go to a runtime before the whole digest is proven. */
  trusted(piece: number): boolean {
    const entry = this.#entries[piece]
    return entry !== undefined && entry.trust !== 'word'
  }

  /** A proof that was passed on did not hold: the cache itself will say. */
  doubt(piece: number): void {
    if (this.#entries[piece]?.trust === 'passed') this.#entries[piece] = undefined
  }

  /** Whether a run teaches nothing: all its proofs are known and trusted, and the same. */
  covers(run: HashRun): boolean {
    for (let i = 0; i < countOf(run); i++) {
      const entry = this.#entries[run.first + i]
      if (entry === undefined || entry.trust === 'word' || !isProofIn(run, i, entry.proof)) return false
    }
    return true
  }

  /** Returns whether it is believed now, and is another than before. */
  put(piece: number, entry: Entry): 'same' | 'changed' | 'refused' {
    const before = this.#entries[piece]
    if (before !== undefined && RANK[before.trust] > RANK[entry.trust]) return 'refused'
    // of two that were passed on, nobody can say which is older
    if (before?.trust === 'passed' && entry.trust === 'passed') return 'refused'
    this.#entries[piece] = entry
    return before === undefined || sameBytes(before.proof, entry.proof) ? 'same' : 'changed'
  }

  /** This host has made a proof of bytes that another has proven: it is worth as much, where no better is known. */
  make(piece: number, proof: Uint8Array, trust: Trust): void {
    if (this.rank(piece) <= RANK[trust]) this.#entries[piece] = { proof, trust, isMade: true }
  }

  /** The bytes that a proof was made of were wrong. */
  unmake(piece: number): void {
    if (this.#entries[piece]?.isMade === true) this.#entries[piece] = undefined
  }

  /** Takes a run in; out-of-range runs are ignored. Returns how many pieces it is about, and whose proof was another. */
  addRun(run: HashRun, trust: Exclude<Trust, 'own'>): { readonly count: number; readonly overruled: number[] } {
    const count = countOf(run)
    const overruled: number[] = []
    if (!Number.isInteger(count) || run.first + count > this.#entries.length) return { count: 0, overruled }
    for (let i = 0; i < count; i++) {
      if (this.put(run.first + i, { proof: proofIn(run, i), trust }) === 'changed') overruled.push(run.first + i)
    }
    if (trust !== 'word') this.#remember(run)
    return { count, overruled }
  }

  /** Of the pieces from `first` to before `end` that may go, what is trusted: in as few runs as possible. */
  runs(first: number, end: number, mayGo: (piece: number) => boolean, sign: Signer | undefined): HashRun[] {
    const runs: HashRun[] = []
    let proofs: Uint8Array[] = []
    for (let piece = first; piece <= end; piece++) {
      const proof = piece < end && this.trusted(piece) && mayGo(piece) ? this.proof(piece) : undefined
      const last = proofs.at(-1)
      if (last !== undefined && (proof === undefined || proofs.length === MOST_PER_RUN || !follows(last, proof))) {
        runs.push(runOfProofs(piece - proofs.length, proofs, sign))
        proofs = []
      }
      if (proof !== undefined) proofs.push(proof)
    }
    return runs
  }

  /** The whole digest is proven: so is what belongs to it or was made of it, and all else is forgotten. */
  proven(belongs: (piece: number, proof: Uint8Array) => boolean): void {
    for (const [piece, entry] of this.#entries.entries()) {
      const holds = entry !== undefined && (entry.isMade === true || belongs(piece, entry.proof))
      this.#entries[piece] = holds ? { proof: entry.proof, trust: 'own' } : undefined
    }
    this.#received = this.#received.filter((run) => this.covers(run))
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

  /** Keeps a received run unless what is kept already covers it: the list stays shorter than the blob's pieces. */
  #remember(run: HashRun): void {
    const end = (r: HashRun): number => r.first + countOf(r)
    if (this.#received.some((r) => r.first <= run.first && end(r) >= end(run) && isWithin(run, r))) return
    this.#received = this.#received.filter((r) => r.first < run.first || end(r) > end(run))
    this.#received.push(run)
  }
}

/** Whether two neighbours can stand in one run: links that do not meet are of two chains. */
function follows(proof: Uint8Array, next: Uint8Array): boolean {
  return !isLink(next) || sameBytes(stateAfter(proof), stateBefore(next))
}

function isWithin(inner: HashRun, outer: HashRun): boolean {
  for (let i = 0; i < countOf(inner); i++) {
    if (!isProofIn(outer, inner.first - outer.first + i, proofIn(inner, i))) return false
  }
  return true
}

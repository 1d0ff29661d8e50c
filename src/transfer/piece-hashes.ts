import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import { sameBytes } from '../piece/piece-proof.ts'
import type { HashRun } from '../swarm/index.ts'
import type { ProofKind, Signer } from './hash-run.ts'
import { ALL_KINDS, kindOfProof, kindOfRun, runOfProofs } from './hash-run.ts'
import type { Trust } from './proof-set.ts'
import { ProofSet } from './proof-set.ts'

/**
 * The proofs of one blob's pieces, links and hashes: where each comes from, and how they are handed on. A piece may have one
 * of each, from homes of two releases; whether both say the same only its bytes can tell.
 */
export class PieceHashes {
  readonly #count: number
  readonly #sets: Readonly<Record<ProofKind, ProofSet>>

  constructor({ count }: PieceLayout) {
    this.#count = count
    this.#sets = { link: new ProofSet(count), hash: new ProofSet(count) }
  }

  /** What a piece that comes is compared with: what is believed most; of two that are believed alike, the link. */
  hash(piece: number): Uint8Array | undefined {
    return this.#best(piece).proof(piece)
  }

  /** Whether the piece has a proof that is good enough to show its bytes to a runtime. */
  trusted(piece: number): boolean {
    return this.#best(piece).trusted(piece)
  }

  /** Whether bytes that were compared with `proof` may go to a runtime before the whole digest is proven. */
  trusts(piece: number, proof: Uint8Array): boolean {
    const set = this.#sets[kindOfProof(proof)]
    const known = set.proof(piece)
    return known !== undefined && set.trusted(piece) && sameBytes(known, proof)
  }

  /** Whether a mismatch proves that the sender of the bytes lied, rather than the sender of the proof. */
  vouched(piece: number): boolean {
    return this.#best(piece).trust(piece) === 'vouched'
  }

  /** A proof that was passed on did not hold: the cache itself will say. */
  doubt(piece: number): void {
    this.#best(piece).doubt(piece)
  }

  /** Whether it teaches nothing: all its proofs are known and trusted, and the same. */
  covers(run: HashRun): boolean {
    return this.#sets[kindOfRun(run)].covers(run)
  }

  /** This host read the piece from the origin itself. */
  setOwn(piece: number, proof: Uint8Array): void {
    this.#sets[kindOfProof(proof)].put(piece, { proof, trust: 'own' })
  }

  /** The bytes that `known` has proven have this proof, of the other kind, too: it is worth as much. */
  equate(piece: number, known: Uint8Array, other: Uint8Array): void {
    const set = this.#sets[kindOfProof(known)]
    const trust = set.trust(piece)
    const isKnown = sameBytes(set.proof(piece) ?? new Uint8Array(), known)
    if (trust !== undefined && isKnown) this.#sets[kindOfProof(other)].make(piece, other, trust)
  }

  /**
   * Takes a run in; out-of-range runs are ignored. Returns the pieces whose proof of its kind was another before and less
   * trusted: what is on disk for them is wrong.
   */
  addRun(
    run: HashRun,
    trust: Exclude<Trust, 'own'>,
  ): { readonly first: number; readonly count: number; readonly overruled: number[] } {
    const kind = kindOfRun(run)
    const { count, overruled } = this.#sets[kind].addRun(run, trust)
    for (const piece of overruled) this.#sets[kind === 'link' ? 'hash' : 'link'].unmake(piece)
    return { first: count === 0 ? 0 : run.first, count, overruled }
  }

  /** A piece that an earlier process left has this proof; whether that is the right one, a home must say. */
  recall(piece: number, proof: Uint8Array): void {
    this.addRun(runOfProofs(piece, [proof]), 'word')
  }

  /**
   * What to hand to others who take these kinds, for the pieces of `have` if given. With a signer: as few runs as possible,
   * signed anew. Without: the vouched runs as they came, and if there are none, this host's own word.
   */
  runs(
    have: ReadonlyBitfield | undefined,
    sign: Signer | undefined,
    kinds: readonly ProofKind[] = ALL_KINDS,
  ): HashRun[] {
    const received = sign === undefined ? kinds.flatMap((kind) => this.#sets[kind].received) : []
    if (received.length > 0) return received
    return this.some(0, this.#count, sign, kinds, (piece) => have === undefined || have.has(piece))
  }

  /** What is trusted of the pieces from `first` to before `end`, each once: as the first of `kinds` that there is. */
  some(
    first: number,
    end: number,
    sign: Signer | undefined,
    kinds: readonly ProofKind[] = ALL_KINDS,
    mayGo: (piece: number) => boolean = () => true,
  ): HashRun[] {
    return kinds.flatMap((kind, place) => {
      const sooner = kinds.slice(0, place)
      const isLeft = (piece: number): boolean =>
        mayGo(piece) && !sooner.some((other) => this.#sets[other].trusted(piece))
      return this.#sets[kind].runs(first, end, isLeft, sign)
    })
  }

  /**
   * The whole digest is proven: so is what its pieces were compared with (`kept`), and its chain, if it was proven by one.
   * Returns whether some had been no more than somebody's word.
   */
  proven(kept?: PieceProofs, chain?: PieceProofs): boolean {
    let hadWords = false
    for (let piece = 0; piece < this.#count; piece++) {
      hadWords ||= this.hash(piece) !== undefined && !this.trusted(piece)
      const link = chain?.(piece)
      if (link !== undefined) this.#sets.link.put(piece, { proof: link.slice(), trust: 'own' })
    }
    const { link, hash } = this.#sets
    const isKept = (piece: number, proof: Uint8Array): boolean =>
      kept === undefined || sameBytes(kept(piece) ?? new Uint8Array(), proof)
    hash.proven(isKept)
    link.proven(chain === undefined ? isKept : (piece, proof) => sameBytes(chain(piece) ?? new Uint8Array(), proof))
    return hadWords
  }

  /** What is no more than somebody's word is forgotten. */
  forgetWords(): void {
    for (const kind of ALL_KINDS) this.#sets[kind].forgetWords()
  }

  clear(): void {
    for (const kind of ALL_KINDS) this.#sets[kind].clear()
  }

  #best(piece: number): ProofSet {
    const { link, hash } = this.#sets
    return hash.rank(piece) > link.rank(piece) ? hash : link
  }
}

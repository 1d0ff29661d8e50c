import { HASH_BYTES, isLink, sameBytes, stateAfter, stateBefore } from '../piece/piece-proof.ts'
import type { HashRun, PeerLink } from '../swarm/index.ts'

/** What the proofs of a run, or of a piece, are: `piece-proof.ts`. */
export type ProofKind = 'hash' | 'link'

/** Links first: they are the ones to tell where both are known. */
export const ALL_KINDS: readonly ProofKind[] = ['link', 'hash']

/** Vouches for a run; undefined when this host may not any more. */
export type Signer = (first: number, hashes: Uint8Array, before?: Uint8Array) => Uint8Array | undefined

/** Which proofs a peer takes: hosts of before links know hashes alone. */
export function kindsFor(link: Pick<PeerLink, 'speaks'>): readonly ProofKind[] {
  return link.speaks('states') ? ALL_KINDS : ['hash']
}

export function kindOfProof(proof: Uint8Array): ProofKind {
  return isLink(proof) ? 'link' : 'hash'
}

export function kindOfRun({ before }: HashRun): ProofKind {
  return before === undefined ? 'hash' : 'link'
}

/** How many pieces a run is about. */
export function countOf({ hashes }: HashRun): number {
  return hashes.length / HASH_BYTES
}

/** A copy of the proof of the run's `i`th piece. */
export function proofIn(run: HashRun, i: number): Uint8Array {
  const before = stateBeforeIn(run, i)
  const hash = run.hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)
  return before === undefined ? hash.slice() : new Uint8Array(Buffer.concat([before, hash]))
}

/** Whether the run's `i`th piece has this proof. */
export function isProofIn(run: HashRun, i: number, proof: Uint8Array): boolean {
  const before = stateBeforeIn(run, i)
  const hash = run.hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)
  if (before === undefined) return sameBytes(hash, proof)
  return isLink(proof) && sameBytes(hash, stateAfter(proof)) && sameBytes(before, stateBefore(proof))
}

/** The run of these proofs, of one kind, links of one chain: at least one. */
export function runOfProofs(first: number, proofs: readonly Uint8Array[], sign?: Signer): HashRun {
  const [begin = new Uint8Array()] = proofs
  const hashes = new Uint8Array(proofs.length * HASH_BYTES)
  for (const [i, proof] of proofs.entries()) hashes.set(isLink(proof) ? stateAfter(proof) : proof, i * HASH_BYTES)
  const run: HashRun = isLink(begin) ? { first, hashes, before: stateBefore(begin).slice() } : { first, hashes }
  return sign === undefined ? run : { ...run, signature: sign(first, hashes, run.before) }
}

/** The same on the sender's word alone. */
export function unsigned({ first, hashes, before }: HashRun): HashRun {
  return before === undefined ? { first, hashes } : { first, hashes, before }
}

function stateBeforeIn({ before, hashes }: HashRun, i: number): Uint8Array | undefined {
  return before === undefined || i === 0 ? before : hashes.subarray((i - 1) * HASH_BYTES, i * HASH_BYTES)
}

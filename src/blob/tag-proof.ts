import { LRUCache } from 'lru-cache'
import type { Digest } from '../oci/digest.ts'
import type { TagProof } from '../swarm/index.ts'
import type { Judgement, Trust } from '../trust/index.ts'
import { canonicalBytes } from '../trust/index.ts'

/** What a cache says of a tag. */
export interface TagStatement {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  /** The manifest's, as the upstream calls it. */
  readonly mediaType: string
}

export interface TagProofsOptions {
  readonly region: string
  /** Regions above: their caches speak to this one's. */
  readonly regionsAbove: readonly string[]
}

/** Signed answers kept, some 400 bytes each; a home gives the same one to all who ask within the tag's time to live. */
const MAX_SIGNED = 4_096
/** After so long one is signed again: certificates are renewed. */
const SIGNED_MS = 60_000

/**
 * Proofs that a tag pointed to a digest when the upstream was last asked: a cache's signature over both and the time
 * (epoch ms). Nobody else's word is believed, and whoever holds a proof may pass it on.
 */
export class TagProofs {
  readonly #trust: Pick<Trust, 'vouch' | 'judge'>
  readonly #options: TagProofsOptions
  readonly #signed = new LRUCache<string, TagProof>({ max: MAX_SIGNED, ttl: SIGNED_MS })

  constructor(trust: Pick<Trust, 'vouch' | 'judge'>, options: TagProofsOptions) {
    this.#trust = trust
    this.#options = options
  }

  /** Undefined when this host may not speak as a cache. */
  sign(said: TagStatement, confirmedEpochMs: number): TagProof | undefined {
    const { region } = this.#options
    const statement = statementOf(said, region, confirmedEpochMs)
    const key = Buffer.from(statement).toString('latin1')
    const known = this.#signed.get(key)
    if (known !== undefined) return known
    const signature = this.#trust.vouch(statement)
    if (signature === undefined) return undefined
    const proof = { region, confirmedEpochMs, signature }
    this.#signed.set(key, proof)
    return proof
  }

  /** Whether caches of that region speak to this host: its own and those above. */
  covers({ region }: TagProof): boolean {
    return region === this.#options.region || this.#options.regionsAbove.includes(region)
  }

  /** Whether a cache of this region, or of one above, has said so. */
  holds(said: TagStatement, proof: TagProof): boolean {
    return this.covers(proof) && this.judge(said, proof, undefined) === 'good'
  }

  /** What the signature is worth that a peer hands on who believes these cache keys. */
  judge(said: TagStatement, proof: TagProof, cacheKeys: readonly string[] | undefined): Judgement {
    const { region, confirmedEpochMs, signature } = proof
    return this.#trust.judge(statementOf(said, region, confirmedEpochMs), signature, [region], cacheKeys)
  }
}

function statementOf(said: TagStatement, region: string, confirmedEpochMs: number): Uint8Array {
  const { upstream, repository, tag, digest, mediaType } = said
  return canonicalBytes('shoal tag v1', region, upstream, repository, tag, digest, mediaType, confirmedEpochMs)
}

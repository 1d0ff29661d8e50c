import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Digest } from '../oci/digest.ts'
import type { TagRef } from '../oci/reference.ts'
import type { Judgement, Trust } from '../trust/index.ts'
import { canonicalBytes } from '../trust/index.ts'
import type { TagProof } from './requests.ts'

/** What a cache says of a tag. */
interface TagStatement extends TagRef {
  readonly digest: Digest
  /** The manifest's, as the upstream calls it. */
  readonly mediaType: string
}

interface TagProofsOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly region: string
  /** Regions above: their caches speak to this one's. */
  readonly regionsAbove: readonly string[]
}

/** Signed answers kept, some 400 bytes each; a home gives the same one to all who ask within the tag's time to live. */
const MAX_SIGNED = 4_096
/** After this long one is signed again: certificates are renewed. */
const SIGNED_MS = 60_000

/**
 * Proofs that a tag pointed to a digest when the upstream was last asked: a cache's signature over both and the time
 * (epoch ms). Nobody else's word is believed, and whoever holds a proof may pass it on.
 */
export class TagProofs {
  readonly #trust: Pick<Trust, 'vouch' | 'judge'>
  readonly #options: TagProofsOptions
  readonly #signed: ExpiringMap<TagProof>

  constructor(trust: Pick<Trust, 'vouch' | 'judge'>, options: TagProofsOptions) {
    this.#trust = trust
    this.#options = options
    this.#signed = new ExpiringMap(options.clock, MAX_SIGNED)
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
    this.#signed.set(key, proof, SIGNED_MS)
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

  /** What the signature is worth to a peer that believes these cache keys. */
  judge(said: TagStatement, proof: TagProof, cacheKeys: readonly string[] | undefined): Judgement {
    const { region, confirmedEpochMs, signature } = proof
    return this.#trust.judge(statementOf(said, region, confirmedEpochMs), signature, [region], cacheKeys)
  }
}

function statementOf(said: TagStatement, region: string, confirmedEpochMs: number): Uint8Array {
  const { upstream, repository, tag, digest, mediaType } = said
  return canonicalBytes('shoal tag v1', region, upstream, repository, tag, digest, mediaType, confirmedEpochMs)
}

import type { Clock } from '../base/clock.ts'
import type { Digest } from '../oci/digest.ts'
import type { FleetTrust, Judgement } from '../trust/index.ts'
import { canonicalBytes, TrueSignatures } from '../trust/index.ts'
import type { PeerLink, Swarm } from './interface.ts'
import type { HashRun } from './wire-types.ts'

/** What caches sign of piece hashes, and what their signatures are worth here. */
export class RunSignatures implements Disposable {
  readonly #trust: FleetTrust
  readonly #true: TrueSignatures
  readonly #listening: Disposable

  constructor(trust: FleetTrust, clock: Clock) {
    this.#trust = trust
    this.#true = new TrueSignatures(trust, clock)
    this.#listening = trust.onChange(() => this.#true.forget())
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]()
  }

  get vouch(): Swarm['vouch'] {
    const trust = this.#trust
    if (!trust.canVouch) return undefined
    return (blob, size, first, hashes, before) => trust.vouch(statementOf(blob, size, { first, hashes, before }))
  }

  vouched(blob: Digest, size: number, run: HashRun, region: string): boolean {
    if (run.signature === undefined) return false
    return this.#true.vouched(statementOf(blob, size, run), run.signature, region)
  }

  judge(blob: Digest, size: number, run: HashRun, regions: readonly string[], { peer }: PeerLink): Judgement {
    const { signature } = run
    if (signature === undefined) return 'unknown'
    const statement = statementOf(blob, size, run)
    if (regions.some((region) => this.#true.vouched(statement, signature, region))) return 'good'
    return this.#trust.judge(statement, signature, regions, peer.cacheKeys)
  }
}

/** What a cache says of a run of piece hashes (32 bytes a piece, from piece `first` on), or of the states after each. */
function statementOf(blob: Digest, size: number, { first, hashes, before }: HashRun): Uint8Array {
  if (before !== undefined) return canonicalBytes('shoal states v1', blob, size, first, before, hashes)
  return canonicalBytes('shoal hashes v1', blob, size, first, hashes)
}

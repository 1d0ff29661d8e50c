import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import { LINGER_MS, LINGERING_MOST } from '../base/patience.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import type { OriginChain } from '../origin/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Opened, Transfer } from '../transfer/index.ts'
import type { Grant, Grants } from './grants.ts'
import type { Outcome, Refusal } from './interface.ts'
import { failure, found, refusalOf, unknown } from './outcome.ts'

/** A client's token that opened a repository opens it again this long without asking; tokens live about as long. */
const PROOF_MS = 60_000
const MAX_PROOFS = 10_000

export interface BlobAccessDeps {
  readonly tier: Tier
  readonly grants: Grants
  readonly clock: Clock
  readonly origins: (upstream: string) => OriginChain | undefined
}

export interface BlobRef {
  readonly upstream: string
  readonly repository: string
  readonly digest: Digest
}

/** Whether a repository may read a blob, and how large it is: by an earlier grant, the home, or the origin itself. */
export class BlobAccess {
  readonly #deps: BlobAccessDeps
  readonly #proofs: ExpiringMap<true>
  readonly #confirming: SingleFlight<Outcome<{ size: number }>>
  /** Questions under way, for all who ask the same. */
  readonly #flights: SingleFlight<Outcome<{ size: number }>>

  constructor(deps: BlobAccessDeps) {
    this.#deps = deps
    this.#proofs = new ExpiringMap(deps.clock, MAX_PROOFS)
    const lingering = { clock: deps.clock, ms: LINGER_MS, most: LINGERING_MOST }
    this.#flights = new SingleFlight(lingering)
    this.#confirming = new SingleFlight(lingering)
  }

  /** For this host's own door: asks the home when there is no grant. */
  check(ref: BlobRef, signal: AbortSignal): Promise<Outcome<{ size: number }>> {
    return this.#flights.run(`find ${nameOf(ref)}`, (shared) => this.#find(ref, shared), signal)
  }

  /** As the home: asks the tier above, then the origin. */
  checkAsHome(ref: BlobRef, signal: AbortSignal): Promise<Outcome<{ size: number }>> {
    return this.#flights.run(`home ${nameOf(ref)}`, (shared) => this.#findAsHome(ref, shared), signal)
  }

  async #find(ref: BlobRef, signal: AbortSignal): Promise<Outcome<{ size: number }>> {
    const { upstream, repository, digest } = ref
    const grant = await this.#deps.grants.find(upstream, repository, digest)
    if (grant !== undefined) return granted(ref, grant)
    // a size is kept for long: who stands in for a cache is not asked for one
    const asked = await this.#deps.tier.askCaches(
      digest,
      { name: 'stat', args: { upstream, repository, digest } },
      signal,
    )
    if (asked === undefined) return this.checkAsHome(ref, signal)
    return asked.answer.kind === 'refused' ? refusalOf(asked.answer) : this.#named(ref, asked.answer.size)
  }

  async #findAsHome(ref: BlobRef, signal: AbortSignal): Promise<Outcome<{ size: number }>> {
    const { upstream, repository, digest } = ref
    const grant = await this.#deps.grants.find(upstream, repository, digest)
    if (grant !== undefined) return granted(ref, grant)
    const asked = await this.#deps.tier.askParents(
      digest,
      { name: 'stat', args: { upstream, repository, digest } },
      signal,
    )
    if (asked !== undefined) {
      return asked.answer.kind === 'refused' ? refusalOf(asked.answer) : this.#named(ref, asked.answer.size)
    }
    return this.#atOrigin(ref, undefined, signal)
  }

  /**
   * Whether the repository may have bytes that are here already, or come in another's name: asks, once, whoever asks its
   * origin for this host. `fetched`: how they are here. Undefined is yes.
   */
  async settle(
    ref: BlobRef & { readonly authorization?: string | undefined },
    fetched: Opened,
    asHome: boolean,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const { upstream, repository, digest, authorization } = ref
    if (await this.#deps.grants.entitles(upstream, repository, digest)) return undefined
    // whatever comes of a transfer of its own comes from its own origin, or from the tier that asked it
    if (fetched.kind === 'transfer' && isOwn(fetched.transfer, ref)) return undefined
    const outcome =
      authorization === undefined
        ? await this.confirm(ref, asHome, signal)
        : await this.#atOrigin(ref, authorization, signal)
    return outcome.ok ? undefined : outcome
  }

  /** Has the repository's own origin say that it has the blob: through the home, or as the home. */
  async confirm(ref: BlobRef, asHome: boolean, signal: AbortSignal): Promise<Outcome<{ size: number }>> {
    const { upstream, repository, digest } = ref
    const flight = `${asHome} ${upstream}/${repository}@${digest}`
    return this.#confirming.run(flight, (shared) => this.#confirm(ref, asHome, shared), signal)
  }

  async #confirm(ref: BlobRef, asHome: boolean, signal: AbortSignal): Promise<Outcome<{ size: number }>> {
    const { upstream, repository, digest } = ref
    const { tier, grants } = this.#deps
    const grant = await grants.find(upstream, repository, digest)
    if (grant !== undefined && (await grants.entitles(upstream, repository, digest))) return granted(ref, grant)
    const question = { name: 'stat', args: { upstream, repository, digest, confirm: true } } as const
    const asked = asHome ? undefined : await tier.askHomes(digest, question, signal)
    const above = asked ?? (await tier.askParents(digest, question, signal))
    if (above === undefined) return this.#atOrigin(ref, undefined, signal)
    if (above.answer.kind === 'refused') return refusalOf(above.answer)
    return this.#confirmed(ref, above.answer.size)
  }

  /** In a client's own name: the origin must have let this client read the repository, now or a minute ago. */
  async checkAsClient(ref: BlobRef, authorization: string, signal: AbortSignal): Promise<Outcome<{ size: number }>> {
    const grant = await this.#deps.grants.find(ref.upstream, ref.repository, ref.digest)
    if (grant !== undefined && this.#proven(ref, authorization)) return granted(ref, grant)
    const outcome = await this.#atOrigin(ref, authorization, signal)
    if (outcome.ok) this.prove(ref, authorization)
    return outcome
  }

  /** Notes that the origin has just let this client read the repository. */
  prove(ref: { readonly upstream: string; readonly repository: string }, authorization: string): void {
    this.#proofs.set(proofKey(ref, authorization), true, PROOF_MS)
  }

  #proven(ref: BlobRef, authorization: string): boolean {
    return this.#proofs.get(proofKey(ref, authorization)) === true
  }

  async #atOrigin(
    ref: BlobRef,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Outcome<{ size: number }>> {
    const { upstream, repository, digest } = ref
    const chain = this.#deps.origins(upstream)
    if (chain === undefined) return unknown(`no upstream is called ${upstream}`)
    try {
      const stat = await chain.statBlob({ repository, digest, authorization, signal })
      return stat === undefined
        ? unknown(`${upstream}/${repository} has no ${digest}`)
        : this.#confirmed(ref, stat.size)
    } catch (error) {
      return failure(error, signal)
    }
  }

  async #confirmed({ upstream, repository, digest }: BlobRef, size: number): Promise<Outcome<{ size: number }>> {
    await this.#deps.grants.confirmBlob(upstream, repository, digest, size)
    return found({ size })
  }

  async #named({ upstream, repository, digest }: BlobRef, size: number): Promise<Outcome<{ size: number }>> {
    await this.#deps.grants.nameBlob(upstream, repository, digest, size)
    return found({ size })
  }
}

/** Whether all of a transfer comes in the name of `ref`: it was begun for it, and with nothing that was here before. */
function isOwn({ ref, resumed }: Transfer, { upstream, repository }: BlobRef): boolean {
  return !resumed && ref.upstream === upstream && ref.repository === repository
}

/** A manifest is no blob, although its bytes lie in the same store. */
function granted({ upstream, repository, digest }: BlobRef, { kind, size }: Grant): Outcome<{ size: number }> {
  return kind === 'blob'
    ? found({ size })
    : unknown(`${upstream}/${repository} has ${digest} as a manifest, not a blob`)
}

function nameOf({ upstream, repository, digest }: BlobRef): string {
  return `${upstream}/${repository}@${digest}`
}

/** Tokens are kept as hashes only. */
function proofKey(
  { upstream, repository }: { readonly upstream: string; readonly repository: string },
  authorization: string,
): string {
  return `${upstream}/${repository} ${createHash('sha256').update(authorization).digest('base64')}`
}

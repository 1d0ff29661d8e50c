import type { Clock } from '../base/clock.ts'
import type { Outcome, Refusal } from '../base/outcome.ts'
import { isRefused, refused } from '../base/outcome.ts'
import type { BlobRef } from '../oci/reference.ts'
import { blobName } from '../oci/reference.ts'
import type { OriginChain } from '../origin/index.ts'
import type { Granted } from '../swarm/index.ts'
import type { Asker, Climb, Tier } from '../tier/index.ts'
import { Ladder, OWN_CLIENT, requestOf } from '../tier/index.ts'
import type { Opened, Transfer } from '../transfer/index.ts'
import type { Grant, Grants } from './grants.ts'
import { blobRequests } from './requests.ts'

interface BlobAccessDeps {
  readonly tier: Tier
  readonly grants: Grants
  readonly clock: Clock
  readonly origins: (upstream: string) => OriginChain | undefined
}

/** A blob, and a client's own proof if it is asked for in the client's name. */
type ClientBlobRef = BlobRef & { readonly authorization?: string | undefined }

/** As peers hand it on. */
export type BlobSize = Granted<typeof blobRequests.stat>

/** Whether a repository may read a blob, and how large it is: by an earlier grant, the home, or the origin itself. */
export class BlobAccess {
  readonly #grants: Grants
  readonly #ladder: Ladder<BlobSize>

  constructor({ grants, tier, clock, origins }: BlobAccessDeps) {
    this.#grants = grants
    this.#ladder = new Ladder({ tier, clock, origins })
  }

  /** Whether anything is known here of what the repository has under this digest. */
  async knows(ref: BlobRef): Promise<boolean> {
    return (await this.#grants.find(ref)) !== undefined
  }

  /** By a grant, or by whoever the ladder leads to. */
  check({ upstream, repository, digest }: BlobRef, asker: Asker, signal: AbortSignal): Promise<Outcome<BlobSize>> {
    // nobody's proof goes along
    const ref: BlobRef = { upstream, repository, digest }
    const climb: Climb<BlobSize, BlobSize> = {
      upstream,
      key: digest,
      name: blobName(ref),
      request: requestOf(blobRequests.stat, { upstream, repository, digest }),
      // a size is kept for long: hosts that stand in for caches are not asked for one
      onlyCaches: true,
      here: async () => {
        const grant = await this.#grants.find(ref)
        return grant === undefined ? undefined : granted(ref, grant)
      },
      take: async ({ answer }) => {
        await this.#grants.nameBlob(ref, answer.size)
        return answer
      },
      atOrigin: (chain, shared) => this.#atOrigin(chain, ref, shared),
    }
    return this.#ladder.climb(climb, asker, signal)
  }

  /** Has the repository's own origin say that it has the blob. */
  confirm(ref: ClientBlobRef, asker: Asker, signal: AbortSignal): Promise<Outcome<BlobSize>> {
    const { upstream, repository, digest, authorization } = ref
    const climb: Climb<BlobSize, BlobSize> = {
      upstream,
      key: digest,
      name: `confirmed ${blobName(ref)}`,
      request: requestOf(blobRequests.stat, { upstream, repository, digest, confirm: true }),
      here: async () => {
        const grant = await this.#grants.find(ref)
        return grant !== undefined && (await this.#grants.entitles(ref)) ? granted(ref, grant) : undefined
      },
      about: async () => ({ isHeardOf: false, isAwaited: (await this.#grants.find(ref)) !== undefined }),
      take: ({ answer }) => this.#confirmed(ref, answer.size),
      atOrigin: (chain, shared) => this.#atOrigin(chain, ref, shared),
      authorization,
    }
    return authorization === undefined ? this.#ladder.climb(climb, asker, signal) : this.#ladder.atOrigin(climb, signal)
  }

  /**
   * Whether the repository may have bytes that are here already, or come in another's name: asks, once, whoever asks its
   * origin for this host. `fetched`: how they are here. Undefined is yes.
   */
  async settle(ref: ClientBlobRef, fetched: Opened, asker: Asker, signal: AbortSignal): Promise<Refusal | undefined> {
    if (await this.#grants.entitles(ref)) return undefined
    // whatever comes of a transfer of its own comes from its own origin, or from the tier that asked it
    if (fetched.kind === 'transfer' && isOwn(fetched.transfer, ref)) return undefined
    const outcome = await this.confirm(ref, asker, signal)
    return isRefused(outcome) ? outcome : undefined
  }

  /** In a client's own name. `isProven`: the origin has lately let this client read the repository. */
  async checkAsClient(
    ref: BlobRef & { readonly authorization: string },
    isProven: boolean,
    signal: AbortSignal,
  ): Promise<Outcome<BlobSize>> {
    const grant = isProven ? await this.#grants.find(ref) : undefined
    return grant === undefined ? this.confirm(ref, OWN_CLIENT, signal) : granted(ref, grant)
  }

  async #atOrigin(chain: OriginChain, ref: ClientBlobRef, signal: AbortSignal): Promise<Outcome<BlobSize>> {
    const { repository, digest, authorization } = ref
    const stat = await chain.statBlob({ repository, digest, authorization, signal })
    if (stat === undefined) return refused('unknown', `${ref.upstream}/${repository} has no ${digest}`)
    return this.#confirmed(ref, stat.size)
  }

  async #confirmed(ref: BlobRef, size: number): Promise<BlobSize> {
    await this.#grants.confirmBlob(ref, size)
    return { kind: 'stat', size }
  }
}

/** Whether all of a transfer comes in the name of `ref`: it was begun for it, and with nothing that was here before. */
function isOwn({ ref, resumed }: Transfer, { upstream, repository }: BlobRef): boolean {
  return !resumed && ref.upstream === upstream && ref.repository === repository
}

/** A manifest is no blob, although its bytes lie in the same store. */
function granted({ upstream, repository, digest }: BlobRef, { kind, size }: Grant): Outcome<BlobSize> {
  return kind === 'blob'
    ? { kind: 'stat', size }
    : refused('unknown', `${upstream}/${repository} has ${digest} as a manifest, not a blob`)
}

import type { Outcome } from '../base/outcome.ts'
import { refused } from '../base/outcome.ts'
import type { BlobRef, RepositoryRef } from '../oci/reference.ts'
import type { Response } from '../swarm/index.ts'
import { WIRE_LIMITS } from '../swarm/index.ts'
import type { Asker, Climb, LadderDeps } from '../tier/index.ts'
import { Ladder, OWN_CLIENT, requestOf } from '../tier/index.ts'
import type { ReferrersContent, TagList } from './interface.ts'
import { blobRequests } from './requests.ts'

export interface TagsQuery extends RepositoryRef {
  readonly limit?: number | undefined
  readonly after?: string | undefined
  /** A client's own proof: asks the origin in its name. */
  readonly authorization?: string | undefined
}

export interface ReferrersQuery extends BlobRef {
  readonly artifactType?: string | undefined
  readonly authorization?: string | undefined
}

/** A page of tags: as many as a message takes. Whoever wants more asks from the last one on. */
const MOST_TAGS = WIRE_LIMITS.tags

const SPENT = refused('unavailable', 'this host has asked for too many lists: ask the registry itself')

/**
 * Tag lists and referrers: never cached, always what the upstream says now, asked once for all who ask together. They are
 * believed from the origin and from caches over their own links, and carry no signature: nobody passes them on.
 */
export class Listings {
  readonly #tags: Ladder<TagList>
  readonly #referrers: Ladder<ReferrersContent>

  constructor(deps: LadderDeps) {
    this.#tags = new Ladder(deps)
    this.#referrers = new Ladder(deps)
  }

  tags(query: TagsQuery, asker: Asker, signal: AbortSignal): Promise<Outcome<TagList>> {
    const { upstream, repository, after, authorization } = query
    const limit = Math.min(query.limit ?? MOST_TAGS, MOST_TAGS)
    const climb: Climb<TagList, TagList> = {
      upstream,
      key: `${upstream}/${repository}`,
      name: JSON.stringify([upstream, repository, limit, after]),
      request: requestOf(blobRequests.tags, { upstream, repository, limit, after }),
      onlyCaches: true,
      take: async ({ answer }) => answer,
      atOrigin: async (chain, shared) => {
        const page = await chain.listTags({ repository, limit, after, authorization, signal: shared })
        return page === undefined ? nothing(upstream) : { kind: 'tags', tags: page.tags, more: page.more }
      },
      authorization,
    }
    return list(this.#tags, climb, asker, signal)
  }

  referrers(query: ReferrersQuery, asker: Asker, signal: AbortSignal): Promise<Outcome<ReferrersContent>> {
    const { upstream, repository, digest, artifactType, authorization } = query
    const climb: Climb<ReferrersContent, ReferrersContent> = {
      upstream,
      key: digest,
      name: JSON.stringify([upstream, repository, digest, artifactType]),
      request: requestOf(blobRequests.referrers, { upstream, repository, digest, artifactType }),
      onlyCaches: true,
      take: async ({ answer }) => answer,
      atOrigin: async (chain, shared) => {
        const index = await chain.referrers({ repository, digest, artifactType, authorization, signal: shared })
        if (index === undefined) return nothing(upstream)
        return { kind: 'referrers', bytes: index.bytes, filtered: index.filtered === true }
      },
      authorization,
    }
    return list(this.#referrers, climb, asker, signal)
  }
}

/** What is never kept costs the origin a question whatever it says. */
async function list<T extends Response>(
  ladder: Ladder<T>,
  climb: Climb<T, T>,
  asker: Asker,
  signal: AbortSignal,
): Promise<Outcome<T>> {
  if (climb.authorization !== undefined) return ladder.atOrigin(climb, signal)
  if (!asker.mayAsk) return SPENT
  asker.charge()
  return ladder.climb(climb, { ...OWN_CLIENT, entry: asker.entry }, signal)
}

function nothing(upstream: string): Outcome<never> {
  return refused('unknown', `${upstream} has nothing there`)
}

import { SingleFlight } from '../base/single-flight.ts'
import type { Digest } from '../oci/digest.ts'
import type { OriginChain } from '../origin/index.ts'
import type { CallName, CallResults } from '../swarm/index.ts'
import type { Question, Tier } from '../tier/index.ts'
import type { Outcome, ReferrersContent, TagList } from './interface.ts'
import { failure, found, refusalOf, unknown } from './outcome.ts'

export interface TagsQuery {
  readonly upstream: string
  readonly repository: string
  readonly limit?: number | undefined
  readonly after?: string | undefined
  /** A client's own proof: asks the origin in its name. */
  readonly authorization?: string | undefined
}

export interface ReferrersQuery {
  readonly upstream: string
  readonly repository: string
  readonly digest: Digest
  readonly artifactType?: string | undefined
  readonly authorization?: string | undefined
}

export interface ListingsDeps {
  readonly tier: Tier
  readonly origins: (upstream: string) => OriginChain | undefined
}

/**
 * Tag lists and referrers: never cached, always what the upstream says now, asked once for all who ask together. They are
 * believed from the origin and from caches over their own links, and carry no signature: nobody passes them on.
 */
export class Listings {
  readonly #deps: ListingsDeps
  readonly #tags = new SingleFlight<Outcome<TagList>>()
  readonly #referrers = new SingleFlight<Outcome<ReferrersContent>>()

  constructor(deps: ListingsDeps) {
    this.#deps = deps
  }

  tags(query: TagsQuery, asHome: boolean, signal: AbortSignal): Promise<Outcome<TagList>> {
    const { authorization, ...args } = query
    const key = `${args.upstream}/${args.repository}`
    const work = async (shared: AbortSignal): Promise<Outcome<TagList>> => {
      const answer =
        authorization === undefined ? await this.#ask(key, { name: 'tags', args }, asHome, shared) : undefined
      if (answer !== undefined) return answer.kind === 'refused' ? refusalOf(answer) : found(answer)
      return this.#atOrigin(args.upstream, shared, (chain) => chain.listTags({ ...query, signal: shared }))
    }
    return this.#tags.run(JSON.stringify([query, asHome]), work, signal)
  }

  referrers(query: ReferrersQuery, asHome: boolean, signal: AbortSignal): Promise<Outcome<ReferrersContent>> {
    const { authorization, ...args } = query
    const work = async (shared: AbortSignal): Promise<Outcome<ReferrersContent>> => {
      const question = { name: 'referrers', args } as const
      const answer = authorization === undefined ? await this.#ask(args.digest, question, asHome, shared) : undefined
      if (answer !== undefined) return answer.kind === 'refused' ? refusalOf(answer) : found(answer)
      return this.#atOrigin(args.upstream, shared, async (chain) => {
        const index = await chain.referrers({ ...query, signal: shared })
        return index === undefined ? undefined : { bytes: index.bytes, filtered: index.filtered === true }
      })
    }
    return this.#referrers.run(JSON.stringify([query, asHome]), work, signal)
  }

  /** Undefined when it is this host that must ask the origin. */
  async #ask<N extends CallName>(
    key: string,
    question: Question<N>,
    asHome: boolean,
    signal: AbortSignal,
  ): Promise<CallResults[N] | undefined> {
    const { tier } = this.#deps
    const asked = asHome ? undefined : await tier.askCaches(key, question, signal)
    return (asked ?? (await tier.askParents(key, question, signal)))?.answer
  }

  async #atOrigin<T>(
    upstream: string,
    signal: AbortSignal,
    ask: (chain: OriginChain) => Promise<T | undefined>,
  ): Promise<Outcome<T>> {
    const chain = this.#deps.origins(upstream)
    if (chain === undefined) return unknown(`no upstream is called ${upstream}`)
    try {
      const value = await ask(chain)
      return value === undefined ? unknown(`${upstream} has nothing there`) : found(value)
    } catch (error) {
      return failure(error, signal)
    }
  }
}

import { ShoalError } from '../base/errors.ts'
import type { CacheRoutes, Call, HandedOn, Responders } from '../orders/index.ts'
import { impossible } from '../orders/index.ts'
import type { Tier } from '../tier/index.ts'
import type { PurgeCounts, PurgeSpec, PurgeView } from './purge.ts'
import { MAX_PURGES, purgeEnd, purgeText } from './purge.ts'
import type { Purges } from './purges.ts'
import type { PurgeRequests } from './words.ts'

const LIST = 'purges'
const KEPT = 'the purges of the fleet'

interface PurgeRespondersDeps {
  readonly routes: CacheRoutes<PurgeRequests>
  readonly tier: Pick<Tier, 'isCache' | 'isParentRegion'>
  /** Names of the regions below that are known, also while they are away. */
  readonly regionsBelow: () => readonly string[]
  readonly purges: Purges
  readonly region: string
}

/** Responds to requests about purges on a cache: they begin in the region that has none above it. */
export class PurgeResponders implements Responders<PurgeRequests> {
  readonly #deps: PurgeRespondersDeps

  constructor(deps: PurgeRespondersDeps) {
    this.#deps = deps
  }

  readonly purge = (call: Call<PurgeRequests, 'purge'>, signal: AbortSignal): Promise<PurgeView> => {
    const { id, order } = call.ordered
    return this.#deps.routes.atTheTop(call, { key: id, kept: KEPT }, signal, async () => {
      const held = this.#deps.purges.begin(order)
      const [view] = held ? await this.#views(id, signal) : []
      if (view === undefined) throw impossible(`${MAX_PURGES} later purges are kept already`)
      return view
    })
  }

  /** Those that still hold, or the one of an id. */
  readonly purges = (call: Call<PurgeRequests, 'purges'>, signal: AbortSignal): Promise<readonly PurgeView[]> => {
    const { id } = call.ask
    return this.#deps.routes.atTheTop(call, { key: id ?? LIST, kept: KEPT }, signal, () => this.#views(id, signal))
  }

  readonly purgeCounts = (call: Call<PurgeRequests, 'purgeCounts'>, signal: AbortSignal): Promise<PurgeCounts[]> => {
    const { tier } = this.#deps
    const { ask, hops, link } = call
    const isFromAbove = link !== undefined && tier.isCache(link.peer) && tier.isParentRegion(link.peer.region)
    if (isFromAbove) return this.#counts(ask.ids, hops, signal)
    throw new ShoalError('UNAVAILABLE', 'what hosts have purged is for caches of the region above to ask')
  }

  /** What this region and those below it have done. */
  async #counts(ids: readonly string[], hops: number, signal: AbortSignal): Promise<PurgeCounts[]> {
    const { routes, purges, region } = this.#deps
    const own = ids.flatMap((id) => {
      const counts = purges.counts(id)
      return counts === undefined ? [] : { id, counts }
    })
    const below = await routes.down({ name: 'purgeCounts', ask: { ids }, hops }, LIST, signal)
    return [{ region, purges: own }, ...below.flat()]
  }

  async #views(id: string | null, signal: AbortSignal): Promise<PurgeView[]> {
    const held = this.#deps.purges.list().filter((one) => id === null || one.id === id)
    if (held.length === 0) return []
    const ids = held.map((one) => one.id)
    const counts = await this.#counts(ids, 0, signal)
    const there = new Set(counts.map(({ region }) => region))
    const absent = this.#deps.regionsBelow().filter((name) => !there.has(name))
    return held.map((one) => viewOf(one, counts, absent))
  }
}

/** A region that does not know the purge yet has not done it. */
function viewOf(
  { id, content, by, issuedEpochMs }: HandedOn<PurgeSpec>,
  counts: readonly PurgeCounts[],
  absent: readonly string[],
): PurgeView {
  const regions = counts.flatMap(({ purges }) => purges.flatMap((one) => (one.id === id ? one.counts : [])))
  const unheard = counts.filter(({ region }) => !regions.some((one) => one.region === region))
  const late = [...absent, ...unheard.map(({ region }) => region)]
  const isDone = regions.length > 0 && regions.every(({ hosts, done }) => done >= hosts)
  return {
    id,
    images: content.images.map(purgeText),
    dryRun: content.dryRun,
    by,
    issuedEpochMs,
    untilEpochMs: purgeEnd(content, issuedEpochMs),
    regions,
    absent: late,
    complete: isDone && late.length === 0,
  }
}

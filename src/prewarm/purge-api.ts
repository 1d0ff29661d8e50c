import type { CacheRoutes } from './cache-routes.ts'
import { impossible } from './job-refusals.ts'
import type { HandedOn, JobOrderOf } from './orders.ts'
import type { PurgeCounts, PurgeView } from './purge.ts'
import { MAX_PURGES, purgeEnd, purgeText } from './purge.ts'
import type { Purges } from './purges.ts'
import type { RegionStore } from './region-store.ts'
import type { AskOf } from './requests.ts'

const LIST = 'purges'
const KEPT = 'the purges of the fleet'

interface PurgeApiDeps {
  readonly routes: CacheRoutes
  readonly regions: Pick<RegionStore, 'names'>
  readonly purges: Purges
  readonly region: string
}

/** Responds to requests about purges on a cache: they begin in the region that has none above it. */
export class PurgeApi {
  readonly #deps: PurgeApiDeps

  constructor(deps: PurgeApiDeps) {
    this.#deps = deps
  }

  begin(ordered: JobOrderOf<'purge'>, hops: number, signal: AbortSignal): Promise<PurgeView> {
    const { id, order } = ordered
    const request = { name: 'purge', ask: { id, order }, hops } as const
    return this.#deps.routes.atTheTop(request, { key: id, kept: KEPT }, signal, async () => {
      const held = this.#deps.purges.begin(order)
      const [view] = held ? await this.#views(id, signal) : []
      if (view === undefined) throw impossible(`${MAX_PURGES} later purges are kept already`)
      return view
    })
  }

  /** Those that still hold, or the one of an id. */
  list({ id }: AskOf<'purges'>, hops: number, signal: AbortSignal): Promise<readonly PurgeView[]> {
    const request = { name: 'purges', ask: { id }, hops } as const
    return this.#deps.routes.atTheTop(request, { key: id ?? LIST, kept: KEPT }, signal, () => this.#views(id, signal))
  }

  /** What this region and those below it have done. */
  async counts(ask: AskOf<'purgeCounts'>, hops: number, signal: AbortSignal): Promise<PurgeCounts[]> {
    const { routes, purges, region } = this.#deps
    const own = ask.ids.flatMap((id) => {
      const counts = purges.counts(id)
      return counts === undefined ? [] : { id, counts }
    })
    const below = await routes.down({ name: 'purgeCounts', ask, hops }, LIST, signal)
    return [{ region, purges: own }, ...below.flat()]
  }

  async #views(id: string | null, signal: AbortSignal): Promise<PurgeView[]> {
    const held = this.#deps.purges.list().filter((one) => id === null || one.id === id)
    if (held.length === 0) return []
    const counts = await this.counts({ ids: held.map((one) => one.id) }, 0, signal)
    const there = new Set(counts.map(({ region }) => region))
    const absent = this.#deps.regions.names().filter((name) => !there.has(name))
    return held.map((one) => viewOf(one, counts, absent))
  }
}

/** A region that does not know the purge yet has not done it. */
function viewOf(
  { id, purge, by, issuedEpochMs }: HandedOn,
  counts: readonly PurgeCounts[],
  absent: string[],
): PurgeView {
  const regions = counts.flatMap(({ purges }) => purges.flatMap((one) => (one.id === id ? one.counts : [])))
  const unheard = counts.filter(({ region }) => !regions.some((one) => one.region === region))
  const late = [...absent, ...unheard.map(({ region }) => region)]
  const isDone = regions.length > 0 && regions.every(({ hosts, done }) => done >= hosts)
  return {
    id,
    images: purge.images.map(purgeText),
    dryRun: purge.dryRun,
    by,
    issuedEpochMs,
    untilEpochMs: purgeEnd(purge, issuedEpochMs),
    regions,
    absent: late,
    complete: isDone && late.length === 0,
  }
}

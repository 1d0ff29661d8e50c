import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { ClientRef } from '../blob/interface.ts'

const MOST = 4096
const REMEMBERED_MS = 10 * 60_000

/**
 * At which upstream a name's manifest was found last. What a digest names is the same wherever it is: it is asked for there
 * first, not at every upstream that is searched before. Tags are always searched in order.
 */
export class FoundAt {
  readonly #upstreams: ExpiringMap<string>

  constructor(clock: Clock) {
    this.#upstreams = new ExpiringMap(clock, MOST)
  }

  note(name: string, { upstream }: ClientRef): void {
    this.#upstreams.set(name, upstream, REMEMBERED_MS)
  }

  /** The same candidates, the likely one first. */
  order(name: string, candidates: readonly ClientRef[]): readonly ClientRef[] {
    const likely = candidates.length > 1 ? this.#upstreams.get(name) : undefined
    if (likely === undefined) return candidates
    return [...candidates].sort((a, b) => Number(b.upstream === likely) - Number(a.upstream === likely))
  }
}

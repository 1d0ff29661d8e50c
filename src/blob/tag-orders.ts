import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import { referenceText } from '../oci/reference.ts'
import type { Order, Trust } from '../trust/index.ts'
import { giveOrder, giveOrderAsCache, isFresh, ORDER_SKEW_MS, provenOrder } from '../trust/index.ts'

/** Orders obeyed lately; a replay of one that has been pushed out by newer ones costs the origin one request. */
const MAX_OBEYED = 4096

export interface TagRef {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
}

export interface TagOrdersDeps {
  readonly trust: Trust
  readonly clock: Pick<Clock, 'now'>
  /** This host's. */
  readonly region: string
  /** Whether a region is above this one. */
  readonly isParentRegion: (region: string) => boolean
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** Who may have tags forgotten on hosts other than his own: signs such orders where this host may, and checks those of others. */
export class TagOrders {
  readonly #deps: TagOrdersDeps
  readonly #obeyed: ExpiringMap<true>

  constructor(deps: TagOrdersDeps) {
    this.#deps = deps
    this.#obeyed = new ExpiringMap(deps.clock, MAX_OBEYED)
  }

  /** An order of this host itself; undefined where it may not give one. */
  give(ref: TagRef): Order | undefined {
    const { trust, region, now } = this.#deps
    const what = { verb: 'invalidate', subject: subjectOf(ref), content: null, issuedEpochMs: now() } as const
    return giveOrder(trust, what) ?? giveOrderAsCache(trust, region, what)
  }

  /** `new`: to be obeyed; `again`: it has been, which is no harm; else why it does not count. */
  check(ref: TagRef, order: Order | undefined): 'new' | 'again' | 'missing' | 'unproven' | 'old' {
    if (order === undefined) return 'missing'
    const { trust, region, isParentRegion, now } = this.#deps
    const said = provenOrder(trust, order, (other) => other === region || isParentRegion(other))
    if (said?.verb !== 'invalidate' || said.subject !== subjectOf(ref)) return 'unproven'
    if (!isFresh(said, now())) return 'old'
    if (this.#obeyed.get(said.nonce) === true) return 'again'
    this.#obeyed.set(said.nonce, true, 2 * ORDER_SKEW_MS)
    return 'new'
  }
}

function subjectOf({ upstream, repository, tag }: TagRef): string {
  return referenceText({ upstream, repository, target: { kind: 'tag', tag } })
}

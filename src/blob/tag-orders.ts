import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { Logger } from '../base/log.ts'
import type { TagRef } from '../oci/reference.ts'
import { referenceText } from '../oci/reference.ts'
import type { Order, OrderSource, ProvenOrder, Trust } from '../trust/index.ts'
import { giveOrder, giveOrderAsCache, isFresh, ORDER_SKEW_MS, OrderLog, provenOrder } from '../trust/index.ts'

/** Orders obeyed lately; a replay of one that has been pushed out by newer ones costs the origin one request. */
const MAX_OBEYED = 4096

interface TagOrdersDeps {
  readonly trust: Trust
  readonly clock: Pick<Clock, 'now' | 'wall'>
  readonly logger: Logger
  /** This host's. */
  readonly region: string
  /** Whether a region is above this one. */
  readonly isParentRegion: (region: string) => boolean
}

/** Who may have tags forgotten on hosts other than his own: signs such orders where this host may, and checks those of others. */
export class TagOrders {
  readonly #deps: TagOrdersDeps
  readonly #obeyed: ExpiringMap<true>
  readonly #log: OrderLog

  constructor(deps: TagOrdersDeps) {
    this.#deps = deps
    this.#obeyed = new ExpiringMap(deps.clock, MAX_OBEYED)
    this.#log = new OrderLog(deps)
  }

  /** An order of this host itself; undefined where it may not give one. */
  give(ref: TagRef): Order | undefined {
    const { trust, region, clock } = this.#deps
    const what = { verb: 'invalidate', subject: subjectOf(ref), content: null, issuedEpochMs: clock.wall() } as const
    return giveOrder(trust, what) ?? giveOrderAsCache(trust, region, what)
  }

  /** `new`: to be obeyed; `again`: it has been, which is no harm; else why it does not count. */
  check(ref: TagRef, order: Order | undefined): 'new' | 'again' | 'missing' | 'unproven' | 'old' {
    if (order === undefined) return 'missing'
    const said = this.#proven(order)
    if (said?.verb !== 'invalidate' || said.subject !== subjectOf(ref)) return 'unproven'
    if (!isFresh(said, this.#deps.clock.wall())) return 'old'
    if (this.#obeyed.get(said.nonce) === true) return 'again'
    this.#obeyed.set(said.nonce, true, 2 * ORDER_SKEW_MS)
    return 'new'
  }

  /** Notes that an order was obeyed. */
  note(order: Order, from: OrderSource): void {
    this.#log.obeyed(order, this.#proven(order)?.by, from)
  }

  #proven(order: Order): ProvenOrder | undefined {
    const { trust, region, isParentRegion } = this.#deps
    return provenOrder(trust, order, (other) => other === region || isParentRegion(other))
  }
}

function subjectOf({ upstream, repository, tag }: TagRef): string {
  return referenceText({ upstream, repository, target: { kind: 'tag', tag } })
}

import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { Purger } from '../blob/index.ts'
import type { HandedOn, Messenger, Orders } from '../orders/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { PeerInfo } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Order } from '../trust/index.ts'
import type { PurgeReport, PurgeSpec, RegionPurge } from './purge.ts'
import { PurgeProgress } from './purge-progress.ts'
import { PurgeWorker } from './purge-worker.ts'
import type { PurgeMessage, PurgeMessages, PurgeRequests } from './words.ts'

export interface PurgesDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly store: BlobStore
  readonly tier: Pick<Tier, 'isParentRegion'>
  readonly messenger: Messenger<PurgeMessages, PurgeRequests>
  readonly orders: Pick<Orders, 'handedOn'>
  readonly purger: Pick<Purger, 'purge' | 'retry'>
  /** Whether this host hands orders on and counts who has obeyed: caches do, and who is its own tier. */
  readonly keeps: boolean
  /** This host's, for people. */
  readonly name: string
}

/** Hosts that have just been told of a purge have said by then whether they still pull. */
const SETTLE_MS = 15_000

/**
 * Purges on one host. A cache obeys an order first and then hands it on: to the caches and hosts of its region, and to the
 * caches of the regions below. Tags and manifests go first, so that no pull begins; a cache lets blobs go when the hosts that
 * may pull them from it have said that they have ended. Whoever is linked later says what it knows, and is handed the rest.
 */
export class Purges implements AsyncDisposable {
  readonly #deps: PurgesDeps
  readonly #worker: PurgeWorker
  readonly #progress: PurgeProgress | undefined
  readonly #handedOn = new Set<string>()
  /** Caches of regions below that have done their part: purge and key. */
  readonly #doneBelow = new Set<string>()

  constructor(deps: PurgesDeps) {
    this.#deps = deps
    const { clock, logger, registry, store, orders, purger, messenger } = deps
    const { region } = messenger.self
    this.#progress = deps.keeps ? new PurgeProgress({ clock, logger, store, region }) : undefined
    this.#worker = new PurgeWorker({
      clock,
      logger,
      registry,
      store,
      orders,
      purger,
      isAwaited: (id, takenAt) => this.#isAwaited(id, takenAt),
      reported: (order, id, report) => this.#reported(order, id, report),
    })
  }

  async start(): Promise<void> {
    const { self } = this.#deps.messenger
    await this.#progress?.load()
    this.#progress?.linked(self)
    this.#progress?.named(self.key, this.#deps.name)
    await this.#worker.start()
    for (const { ordered, report } of this.#worker.live()) this.#progress?.heard(self.key, ordered.id, report)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#worker[Symbol.asyncDispose]()
  }

  linked(peer: PeerInfo): void {
    const { messenger } = this.#deps
    const { self } = messenger
    if (peer.region === self.region) this.#progress?.linked(peer)
    if (peer.role !== 'cache' || !this.#hears(peer)) return
    const live = this.#worker.live()
    messenger.send(peer.key, { kind: 'purges', ids: live.map(({ ordered }) => ordered.id) })
    for (const { ordered, report } of live) messenger.send(peer.key, { kind: 'purged', id: ordered.id, report })
  }

  unlinked({ key }: PeerInfo): void {
    this.#progress?.unlinked(key)
  }

  /** What people call a host. */
  named(key: string, name: string): void {
    this.#progress?.named(key, name)
  }

  /** Whether this peer may send it has been looked at (orders/message-rights.ts). */
  message(from: PeerInfo, message: PurgeMessage): void {
    switch (message.kind) {
      case 'purge':
        if (!this.#worker.take(message.order)) {
          this.#deps.logger.warn({ peer: from.key }, 'an order to purge that does not hold here was dropped')
        }
        return
      case 'purges':
        return this.#handOn(from, new Set(message.ids))
      case 'purged':
        return this.#heard(from, message.id, message.report)
      default:
        return message satisfies never
    }
  }

  /** Obeys an order that was checked as a new one; returns whether there was room for it. */
  begin(order: Order): boolean {
    return this.#worker.take(order)
  }

  /** Those that still hold, the newest first. */
  list(): HandedOn<PurgeSpec>[] {
    const live = this.#worker.live().map(({ ordered }) => ordered)
    this.#progress?.keepOnly(new Set(live.map(({ id }) => id)))
    return live.reverse()
  }

  /** What this region has done. */
  counts(id: string): RegionPurge | undefined {
    return this.#worker.has(id) ? this.#progress?.counts(id) : undefined
  }

  #reported(order: Order, id: string, report: PurgeReport): void {
    const { messenger } = this.#deps
    const { self } = messenger
    this.#progress?.heard(self.key, id, report)
    for (const { peer } of messenger.caches((one) => this.#hears(one))) {
      messenger.send(peer.key, { kind: 'purged', id, report })
    }
    if (this.#progress === undefined || this.#handedOn.has(id)) return
    for (const before of this.#handedOn) if (!this.#worker.has(before)) this.#handedOn.delete(before)
    for (const before of this.#doneBelow)
      if (!this.#worker.has(before.split(' ', 1)[0] ?? '')) this.#doneBelow.delete(before)
    this.#handedOn.add(id)
    for (const { peer } of messenger.peers((one) => this.#isUnder(one))) {
      messenger.send(peer.key, { kind: 'purge', order })
    }
  }

  #heard(from: PeerInfo, id: string, report: PurgeReport): void {
    if (this.#progress === undefined || !this.#worker.has(id)) return
    if (from.region === this.#deps.messenger.self.region) this.#progress.heard(from.key, id, report)
    else if (!this.#isUnder(from)) return
    else if (report.state === 'done') this.#doneBelow.add(`${id} ${from.key}`)
    this.#worker.wake(id)
  }

  /** Whether a host that is linked now may still pull from this cache what is to go. */
  #isAwaited(id: string, takenAt: number): boolean {
    const progress = this.#progress
    const { messenger, clock } = this.#deps
    if (progress === undefined) return false
    const isSettled = clock.now() - takenAt >= SETTLE_MS
    return messenger
      .peers((one) => this.#pullsHere(one))
      .some(({ peer }) => {
        if (this.#doneBelow.has(`${id} ${peer.key}`)) return false
        const state = progress.stateOf(peer.key, id)
        return state === 'waiting' || (state === undefined && !isSettled)
      })
  }

  /** Hosts of this region, and caches of those below. Another cache of this region would wait for this one. */
  #pullsHere(peer: PeerInfo): boolean {
    return this.#isUnder(peer) && (peer.role !== 'cache' || peer.region !== this.#deps.messenger.self.region)
  }

  /** Caches that hear what this host has done: of its region, and a cache's also of the one above. */
  #hears({ region }: PeerInfo): boolean {
    const { messenger, tier } = this.#deps
    const { self } = messenger
    return region === self.region || (self.role === 'cache' && tier.isParentRegion(region))
  }

  /** What a host does not know yet that asks for it. */
  #handOn(to: PeerInfo, known: ReadonlySet<string>): void {
    if (this.#progress === undefined || !this.#isUnder(to)) return
    for (const { ordered } of this.#worker.live()) {
      if (known.has(ordered.id)) continue
      this.#deps.messenger.send(to.key, { kind: 'purge', order: ordered.order })
    }
  }

  /** Whether a peer hears of orders from this cache: hosts and caches of its region, caches of those below. */
  #isUnder({ role, region }: PeerInfo): boolean {
    const { messenger, tier } = this.#deps
    if (region === messenger.self.region) return true
    return role === 'cache' && !tier.isParentRegion(region)
  }
}

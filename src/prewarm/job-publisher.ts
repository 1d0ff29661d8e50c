import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { homeKeyOf } from '../orders/index.ts'
import type { PeerInfo } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { JobRow, Tally } from './interface.ts'
import type { PlanStore } from './plan-store.ts'
import type { PrewarmMessenger } from './requests.ts'
import type { Rollout } from './rollout.ts'

/** Rows go to a cache that has just linked at this pace: a week of large jobs at once would be a gigabyte waiting to be sent. */
const BYTES_PER_MS = 32 * 1024
/** What a blob of a plan takes in a message. */
const PART_BYTES = 110

interface JobPublisherDeps {
  readonly clock: Clock
  readonly messenger: PrewarmMessenger
  readonly tier: Tier
  readonly plans: PlanStore
  /** What is known of a job here. */
  readonly job: (id: string) => Rollout | undefined
  /** What regions say of it. */
  readonly tallies: (id: string) => ReadonlyMap<string, Tally>
  /** What this cache read from origins for it. */
  readonly originBytes: (id: string) => number
  /** Whether this cache is its leader. */
  readonly isLeader: (id: string) => boolean
}

/** Hosts in one message: it must fit whatever their names are. */
const ROSTER_PART = 1_000

interface RosterPart {
  readonly first: number
  readonly hosts: readonly { readonly key: string; readonly name: string }[]
}

/** What was last told to other caches of a job. */
interface Told {
  tallies: string
  originBytes: number
}

/** What a cache tells others of its jobs: rows whole, sums when they change, and all of it on a new link. */
export class JobPublisher {
  readonly #deps: JobPublisherDeps
  readonly #told = new Map<string, Told>()

  constructor(deps: JobPublisherDeps) {
    this.#deps = deps
  }

  forget(id: string): void {
    this.#told.delete(id)
  }

  isAbove(peer: PeerInfo): boolean {
    return this.#deps.tier.isParentRegion(peer.region)
  }

  isNear(peer: PeerInfo): boolean {
    return peer.region === this.#self.region
  }

  /** Caches of this region, without this one. */
  get others(): PeerInfo[] {
    return this.#deps.messenger.caches((peer) => this.isNear(peer)).map(({ peer }) => peer)
  }

  /** Everything, job after job: the peer may know nothing, or no longer. */
  async all(peer: PeerInfo, rows: readonly JobRow[], signal: AbortSignal): Promise<void> {
    for (const row of rows) {
      if (!this.#deps.messenger.reaches(peer.key)) return
      if (!this.isAbove(peer)) {
        await this.row([peer], row)
        await sleep(this.#deps.clock, (row.plan.blobs * PART_BYTES) / BYTES_PER_MS, signal)
      }
      this.tallies(row, [peer])
      if (this.isNear(peer)) this.originBytes(row.id, this.#deps.originBytes(row.id), [peer])
    }
  }

  /** A job with its plan, which may have to be read for it; within this turn when it is in memory. */
  row(peers: readonly PeerInfo[], row: JobRow): Promise<void> {
    const { plans, messenger, job } = this.#deps
    const send = (plan: ReturnType<PlanStore['held']>): void => {
      if (plan === undefined) return
      for (const peer of peers) {
        messenger.send(peer.key, { kind: 'row', row: { ...row, plan } })
        const region = job(row.id)
        if (!this.isNear(peer) || region?.hasRoster !== true) continue
        this.roster([peer], row.id, { first: 0, hosts: region.roster })
      }
    }
    const held = plans.held(row.id)
    if (held === undefined) return plans.read(row.id).then(send)
    send(held)
    return Promise.resolve()
  }

  /** Hosts of a job in their order, from place `first` on, in as many messages as it takes; one also for none. */
  roster(peers: readonly PeerInfo[], job: string, { first, hosts }: RosterPart): void {
    for (let at = 0; at === 0 || at < hosts.length; at += ROSTER_PART) {
      const part = hosts.slice(at, at + ROSTER_PART)
      for (const { key } of peers) {
        this.#deps.messenger.send(key, { kind: 'roster', job, first: first + at, hosts: part })
      }
    }
  }

  /**
   * Regions above hear of all regions, of this one from its leader. Those of this region's caches that hosts do not report to
   * hear of it from the leader as well. To all of them what changed, or to `peers` what is known.
   */
  tallies({ id, root }: JobRow, peers?: readonly PeerInfo[]): void {
    const { messenger, tier } = this.#deps
    const { region } = this.#self
    const tallies = this.#deps.tallies(id)
    const isLeader = this.#deps.isLeader(id)
    const above = root === region ? [] : tier.parents(homeKeyOf(id)).map(({ peer }) => peer)
    const others = this.others
    const to = peers ?? [...above, ...(isLeader && others.length > 1 ? others : [])]
    const said = JSON.stringify([to.map(({ key }) => key), [...tallies]])
    const told = this.#toldOf(id)
    if (peers === undefined && told.tallies === said) return
    if (peers === undefined) told.tallies = said
    for (const peer of to) {
      for (const [of, tally] of tallies) {
        const isWanted = this.isNear(peer) ? of === region : this.isAbove(peer) && (of !== region || isLeader)
        if (isWanted) messenger.send(peer.key, { kind: 'tally', job: id, region: of, tally })
      }
    }
  }

  /** What this cache read from origins, to the caches of its region, so that any of them can be leader; returns whether that is news. */
  originBytes(id: string, bytes: number, peers?: readonly PeerInfo[]): boolean {
    const told = this.#toldOf(id)
    const isNews = told.originBytes !== bytes
    if (peers === undefined && !isNews) return false
    if (peers === undefined) told.originBytes = bytes
    for (const { key } of peers ?? this.others)
      this.#deps.messenger.send(key, { kind: 'fetched', job: id, originBytes: bytes })
    return isNews
  }

  get #self(): PeerInfo {
    return this.#deps.messenger.self
  }

  #toldOf(id: string): Told {
    const known = this.#told.get(id) ?? { tallies: '', originBytes: 0 }
    this.#told.set(id, known)
    return known
  }
}

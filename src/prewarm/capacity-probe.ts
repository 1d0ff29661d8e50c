import { CAPACITY_MS } from '../base/patience.ts'
import type { AskOf } from '../orders/index.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { BlobStore } from '../store/index.ts'
import type { Swarm } from '../swarm/index.ts'
import type { Plan, RegionCapacity } from './interface.ts'
import type { Inventory, KnownHost } from './inventory.ts'
import type { Need } from './need.ts'
import { needOf } from './need.ts'
import type { PrewarmMessenger, PrewarmRequests } from './requests.ts'

/** Hosts that are asked what they have already, at most; of more it is taken to be nothing. */
const MAX_ASKED = 512
/** Each of them is sent the plan. */
const MAX_ASKED_BLOBS = 262_144
const MAX_NAMED = 16

interface CapacityProbeDeps {
  readonly swarm: Pick<Swarm, 'self'>
  readonly messenger: PrewarmMessenger
  readonly store: BlobStore
  readonly inventory: Inventory
}

/** What a host lacks, and what it could take, if it was asked for both. */
type HostNeed = Need & { readonly freeBytes?: number }

/** What this cache's own region could do for a plan. */
export class CapacityProbe {
  readonly #deps: CapacityProbeDeps

  constructor(deps: CapacityProbeDeps) {
    this.#deps = deps
  }

  /** Hosts whose room may not do are asked what they have; all are when somebody wants to know (`counts`). */
  async measure(
    { spec, plan, counts }: AskOf<PrewarmRequests, 'survey'>,
    hops: number,
    signal: AbortSignal,
  ): Promise<RegionCapacity> {
    const { inventory, swarm } = this.#deps
    const matching = inventory.matching(spec)
    const isTight = ({ facts }: KnownHost): boolean => facts.freeBytes < plan.bytes
    const most = Math.min(MAX_ASKED, Math.floor(MAX_ASKED_BLOBS / Math.max(1, plan.blobs.length)))
    // those whose room is in request first
    const tight = matching.filter(isTight)
    const asked = (counts ? [...tight, ...matching.filter((host) => !isTight(host))] : tight).slice(0, most)
    const needs = new Map<string, HostNeed | undefined>()
    await Promise.all(asked.map(async ({ key }) => needs.set(key, await this.#need(key, plan, hops, signal))))
    const roomless = tight.filter(({ key, facts }) => {
      const { missingBytes, freeBytes } = { missingBytes: plan.bytes, freeBytes: facts.freeBytes, ...needs.get(key) }
      return missingBytes > freeBytes
    })
    const lacking = matching.map(({ key }) => needs.get(key)?.missingBytes ?? plan.bytes)
    return {
      region: swarm.self.region,
      hosts: inventory.size,
      matching: matching.length,
      absent: false,
      withoutRoom: roomless.length,
      roomless: roomless.slice(0, MAX_NAMED).map(({ name }) => name),
      hostsLackBytes: lacking.reduce((sum, bytes) => sum + bytes, 0),
      missingBytes: await this.missingBytes(plan, hops, signal),
    }
  }

  /** What none of the region's caches has. */
  async missingBytes(plan: Plan, hops: number, signal: AbortSignal): Promise<number> {
    const { messenger, store, swarm } = this.#deps
    const others = messenger.caches(({ region }) => region === swarm.self.region)
    const needs = await Promise.all(others.map(({ peer }) => this.#need(peer.key, plan, hops, signal)))
    const answers = [needOf(plan, store), ...needs.filter((need) => need !== undefined)]
    const all = answers.map(({ missing }) => Bitfield.fromBytes(plan.blobs.length, missing))
    return plan.blobs.reduce((sum, { size }, i) => {
      const isMissing = all.every((missing) => missing?.has(i) === true)
      return isMissing ? sum + size : sum
    }, 0)
  }

  async #need(key: string, plan: Plan, hops: number, signal: AbortSignal): Promise<HostNeed | undefined> {
    const { messenger, store, swarm } = this.#deps
    if (key === swarm.self.key) return needOf(plan, store)
    const link = messenger.linkTo(key)
    if (link === undefined) return undefined
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(CAPACITY_MS)])
      return await messenger.ask(link, { name: 'need', ask: { plan }, hops }, limit)
    } catch {
      signal.throwIfAborted()
      return undefined
    }
  }
}

/** A region that is remembered and does not answer. */
export function absentCapacity(region: string): RegionCapacity {
  return {
    region,
    hosts: 0,
    matching: 0,
    withoutRoom: 0,
    roomless: [],
    missingBytes: 0,
    hostsLackBytes: 0,
    absent: true,
  }
}

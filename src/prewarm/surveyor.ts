import type { BlobStore } from '../store/index.ts'
import type { Swarm } from '../swarm/index.ts'
import type { HostRoll, KnownHost } from './host-roll.ts'
import type { Plan, RegionSurvey } from './interface.ts'
import type { Need } from './need.ts'
import { needOf } from './need.ts'
import type { Post } from './post.ts'
import type { Ask } from './questions.ts'

const NEED_TIMEOUT_MS = 3_000
/** Hosts that are asked what they have already, at most; of more it is taken to be nothing. */
const MAX_ASKED = 512
/** Each of them is sent the plan. */
const MAX_ASKED_BLOBS = 262_144
const MAX_NAMED = 16

export interface SurveyorDeps {
  readonly swarm: Pick<Swarm, 'self'>
  readonly post: Post
  readonly store: BlobStore
  readonly roll: HostRoll
}

/** What a host lacks, and what it could take, if it was asked for both. */
type HostNeed = Need & { readonly freeBytes?: number }

/** What this cache's own region could do for a plan. */
export class Surveyor {
  readonly #deps: SurveyorDeps

  constructor(deps: SurveyorDeps) {
    this.#deps = deps
  }

  /** Hosts whose room may not do are asked what they have; all are when somebody wants to know (`counts`). */
  async survey({ spec, plan, counts }: Ask<'survey'>, hops: number, signal: AbortSignal): Promise<RegionSurvey> {
    const { roll, swarm } = this.#deps
    const matching = roll.matching(spec)
    const isTight = ({ facts }: KnownHost): boolean => facts.freeBytes < plan.bytes
    const most = Math.min(MAX_ASKED, Math.floor(MAX_ASKED_BLOBS / Math.max(1, plan.blobs.length)))
    // those whose room is in question first
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
      ...{ region: swarm.self.region, hosts: roll.size, matching: matching.length, absent: false },
      ...{ withoutRoom: roomless.length, roomless: roomless.slice(0, MAX_NAMED).map(({ name }) => name) },
      hostsLackBytes: lacking.reduce((sum, bytes) => sum + bytes, 0),
      missingBytes: await this.missingBytes(plan, hops, signal),
    }
  }

  /** What none of the region's caches has. */
  async missingBytes(plan: Plan, hops: number, signal: AbortSignal): Promise<number> {
    const { post, store, swarm } = this.#deps
    const others = post.caches(({ region }) => region === swarm.self.region)
    const needs = await Promise.all(others.map(({ peer }) => this.#need(peer.key, plan, hops, signal)))
    const all = [needOf(plan, store).missing, ...needs.flatMap((need) => need?.missing ?? [])]
    return plan.blobs.reduce((sum, { size }, i) => {
      const isMissing = all.every((missing) => ((missing[i >> 3] ?? 0) >> (i & 7)) & 1)
      return isMissing ? sum + size : sum
    }, 0)
  }

  async #need(key: string, plan: Plan, hops: number, signal: AbortSignal): Promise<HostNeed | undefined> {
    const { post, store, swarm } = this.#deps
    if (key === swarm.self.key) return needOf(plan, store)
    const link = post.linkTo(key)
    if (link === undefined) return undefined
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(NEED_TIMEOUT_MS)])
      return await post.ask(link, { name: 'need', ask: { plan }, hops }, limit)
    } catch {
      signal.throwIfAborted()
      return undefined
    }
  }
}

/** A region that is remembered and does not answer. */
export function absentSurvey(region: string): RegionSurvey {
  return {
    ...{ region, hosts: 0, matching: 0, withoutRoom: 0, roomless: [], missingBytes: 0, hostsLackBytes: 0 },
    absent: true,
  }
}

import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { Refusal } from '../base/outcome.ts'
import { refused } from '../base/outcome.ts'
import type { AnyRequest, AskOf, Exchange, Orders, ResponseTo } from '../orders/index.ts'
import { openExchange } from '../orders/index.ts'
import type { ImageSource } from '../pins/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import type { HostTaskDeps } from './host-task.ts'
import type { JobRow, JobState } from './interface.ts'
import { JobApi } from './job-api.ts'
import type { KnownUpstreams } from './job-client.ts'
import { JobClient } from './job-client.ts'
import { JobController } from './job-controller.ts'
import type { PrewarmMessage, PrewarmMessages } from './messages.ts'
import { createPrewarmMetrics } from './metrics.ts'
import { needOf } from './need.ts'
import { Planner } from './planner.ts'
import { RegionStore } from './region-store.ts'
import type { PrewarmRequests } from './requests.ts'
import { PREWARM_WORDS } from './requests.ts'
import { Schedules } from './schedules.ts'
import { Worker } from './worker.ts'

/** A job that begins, or is in another state than before. */
interface JobChange {
  readonly job: string
  readonly state: JobState
  readonly reason: string | null
  readonly images: readonly string[]
}

export interface PrewarmDeps extends Pick<HostTaskDeps, 'pins' | 'loader' | 'freeBytes'> {
  /** This host's own rate for all prewarm work, bytes per second; 0 = unlimited. */
  readonly hostRate: () => number
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly store: BlobStore
  readonly swarm: Swarm
  readonly tier: Tier
  readonly transfers: Transfers
  readonly images: ImageSource
  readonly upstreams: KnownUpstreams
  /** Told of every job that begins or changes its state, on a cache. */
  readonly jobChanged?: ((job: JobChange) => void) | undefined
  readonly orders: Orders
  /** Told what people call a host of this region. */
  readonly hostNamed: (key: string, name: string) => void
  /** Whether this host keeps jobs and leads them: caches do, and who is its own tier. */
  readonly keepsJobs: boolean
  /** A peer asks for a plan, which has names resolved that may be made up: whether it may have this host ask for that many. */
  readonly chargePlan: (link: PeerLink, images: number) => boolean
}

interface PrewarmOptions {
  /** This host's name, for people. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** `os/arch`: what a job means that names no platform. */
  readonly platform: string
}

const SPENT = refused('unavailable', 'this host has asked for too much that does not exist')

/**
 * Prewarm on one host: a worker if it is one of those that containers run on, a job controller if it is a cache, both if it is its own
 * tier. Reads the messages, answers the requests, and is what the servers ask.
 */
export class Prewarm implements AsyncDisposable {
  readonly #deps: PrewarmDeps
  readonly #controller: JobController | undefined
  readonly #worker: Worker | undefined
  readonly #schedules: Schedules | undefined
  readonly #regions: RegionStore
  /** Jobs as this host's users ask for them. */
  readonly jobs: JobClient
  /** For what peers say and ask. */
  readonly receiver: Exchange<PrewarmMessages, PrewarmRequests>['receiver']

  constructor(deps: PrewarmDeps, { name, labels, platform }: PrewarmOptions) {
    this.#deps = deps
    const { clock, logger, tier, store, transfers, swarm, images, upstreams, orders } = deps
    const { messenger, routes, receiver } = openExchange(PREWARM_WORDS, {
      logger,
      swarm,
      tier,
      orders,
      refuses: (link, request) => this.#refusal(link, request),
    })
    this.receiver = receiver
    this.jobs = new JobClient({ routes, orders, upstreams, clock })
    this.#regions = new RegionStore({ logger, store, clock })
    const shared = { clock, logger, tier, store, transfers, messenger, images, orders }
    if (swarm.self.role === 'agent') {
      const { pins, loader, hostRate, freeBytes } = deps
      this.#worker = new Worker({ ...shared, pins, loader, hostRate, freeBytes, facts: { name, labels } })
    }
    let api: JobApi | undefined
    if (deps.keepsJobs) {
      const controller = new JobController({ ...shared, jobChanged: (row) => deps.jobChanged?.(changeOf(row)) })
      this.#controller = controller
      this.#schedules = new Schedules({
        clock,
        logger,
        store,
        tier,
        messenger,
        begin: (spec, signal, id) => this.jobs.submit(spec, signal, id),
        jobState: (id) => controller.jobStore.get(id)?.state,
      })
      const parts = { planner: new Planner(images, platform), controller, schedules: this.#schedules }
      api = new JobApi({ logger, swarm, tier, messenger, routes, store, clock, regions: this.#regions, ...parts })
    }
    receiver.attach({
      listeners: [this.#worker, this.#controller, this.#schedules, this].filter((part) => part !== undefined),
      responders: { ...api?.responders, need: async ({ ask }) => this.#need(ask) },
    })
    createPrewarmMetrics(deps.registry, {
      jobs: () => this.#controller?.leaderTallies() ?? [],
      states: () => this.#controller?.jobStore.all().map(({ state }) => state) ?? [],
      tasks: () => this.#worker?.counts() ?? [],
    })
  }

  /** Goes on where an earlier process stopped. To be called before anything is told of peers. */
  async start(): Promise<void> {
    if (this.#controller !== undefined) await this.#regions.load()
    await this.#worker?.start()
    await this.#controller?.start()
    await this.#schedules?.start()
  }

  linked(link: PeerLink): void {
    this.#worker?.linked(link)
    this.#controller?.linked(link)
    this.#schedules?.linked(link.peer)
    this.#seen(link)
  }

  unlinked(link: PeerLink): void {
    this.#controller?.unlinked(link)
    this.#seen(link)
  }

  message({ key }: PeerInfo, message: PrewarmMessage): void {
    if (message.kind === 'host') this.#deps.hostNamed(key, message.facts.name)
  }

  /** Names of the regions below that are known, also while they are away. */
  regionsBelow(): readonly string[] {
    return this.#regions.names()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#schedules?.[Symbol.asyncDispose]()
    await this.#controller?.[Symbol.asyncDispose]()
    await this.#worker?.[Symbol.asyncDispose]()
  }

  /** Regions below this one are missed when they are away. */
  #seen({ peer }: PeerLink): void {
    const { swarm, tier } = this.#deps
    const isBelow = peer.region !== swarm.self.region && !tier.isParentRegion(peer.region)
    if (this.#controller !== undefined && peer.role === 'cache' && isBelow) this.#regions.note(peer.region)
  }

  #refusal(link: PeerLink, request: AnyRequest<PrewarmRequests>): Refusal | undefined {
    if (request.name !== 'plan') return undefined
    return this.#deps.chargePlan(link, request.ask.spec.images.length) ? undefined : SPENT
  }

  async #need({ plan }: AskOf<PrewarmRequests, 'need'>): Promise<ResponseTo<PrewarmRequests, 'need'>> {
    return { ...needOf(plan, this.#deps.store), freeBytes: await this.#deps.freeBytes() }
  }
}

function changeOf({ id, state, reason, plan }: JobRow): JobChange {
  return { job: id, state, reason, images: plan.images.map(({ reference }) => reference) }
}

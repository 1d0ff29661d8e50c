import type { Clock } from '../base/clock.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import { refused } from '../base/outcome.ts'
import type { ImageSource } from '../pins/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { Handlers, PeerInfo, PeerLink, ResponseTo as Reply, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import { CacheRoutes } from './cache-routes.ts'
import type { HostTaskDeps } from './host-task.ts'
import type { JobRow, JobState } from './interface.ts'
import { JobApi } from './job-api.ts'
import type { KnownUpstreams } from './job-client.ts'
import { JobClient } from './job-client.ts'
import { JobController } from './job-controller.ts'
import type { Receiver } from './message-rights.ts'
import { messageVerdict, requestVerdict } from './message-rights.ts'
import type { PrewarmMessage } from './messages.ts'
import { decodeMessage } from './messages.ts'
import { Messenger } from './messenger.ts'
import { createPrewarmMetrics } from './metrics.ts'
import { needOf } from './need.ts'
import { Orders } from './orders.ts'
import { Planner } from './planner.ts'
import type { prewarmProtocol } from './protocol.ts'
import { PurgeApi } from './purge-api.ts'
import { PurgeClient } from './purge-client.ts'
import type { PurgesDeps } from './purges.ts'
import { Purges } from './purges.ts'
import { RegionStore } from './region-store.ts'
import type { PrewarmRequest, ResponseTo } from './requests.ts'
import { decodeRequest, encodeResponse } from './requests.ts'
import { ScheduleApi } from './schedule-api.ts'
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
  readonly purger: PurgesDeps['purger']
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
  readonly #purges: Purges
  readonly #regions: RegionStore
  readonly #api: JobApi | undefined
  /** Jobs as this host's users ask for them. */
  readonly jobs: JobClient
  /** Purges likewise. */
  readonly purges: PurgeClient
  readonly orders: Orders

  constructor(deps: PrewarmDeps, { name, labels, platform }: PrewarmOptions) {
    this.#deps = deps
    const { clock, logger, tier, store, transfers, swarm, images, upstreams } = deps
    const messenger = new Messenger({ swarm, tier, deliver: (from, message) => this.#deliver(from, message) })
    const isAlone = tier.status().state === 'own' && swarm.self.role === 'agent'
    const orders = new Orders({
      trust: swarm.trust,
      clock,
      logger,
      region: swarm.self.region,
      isParentRegion: (region) => tier.isParentRegion(region),
    })
    this.orders = orders
    const shared = { clock, logger, tier, store, transfers, messenger, images, orders }
    if (swarm.self.role === 'cache' || isAlone)
      this.#controller = new JobController({ ...shared, jobChanged: (row) => deps.jobChanged?.(changeOf(row)) })
    if (swarm.self.role === 'agent') {
      const { pins, loader, hostRate, freeBytes } = deps
      this.#worker = new Worker({ ...shared, pins, loader, hostRate, freeBytes, facts: { name, labels } })
    }
    const regions = new RegionStore({ logger, store, clock })
    this.#regions = regions
    const routes = new CacheRoutes({ logger, swarm, tier, messenger })
    const controller = this.#controller
    const keeps = controller !== undefined
    const { registry, purger } = deps
    this.#purges = new Purges({ clock, logger, registry, store, tier, messenger, orders, purger, keeps, name })
    if (controller !== undefined) {
      const planner = new Planner(images, platform)
      const schedules = new Schedules({
        clock,
        logger,
        store,
        tier,
        messenger,
        begin: (spec, signal, id) => this.jobs.submit(spec, signal, id),
        jobState: (id) => controller.jobStore.get(id)?.state,
      })
      this.#schedules = schedules
      this.#api = new JobApi({
        logger,
        swarm,
        tier,
        messenger,
        routes,
        planner,
        store,
        clock,
        controller,
        regions,
        orders,
        schedules: new ScheduleApi({ routes, schedules }),
        purges: new PurgeApi({ routes, regions, purges: this.#purges, region: swarm.self.region }),
      })
    }
    this.jobs = new JobClient({ routes, orders, api: this.#api, upstreams, clock })
    this.purges = new PurgeClient({ routes, orders, api: this.#api?.purges, upstreams, clock })
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
    await this.#purges.start()
  }

  linked(link: PeerLink): void {
    this.#worker?.linked(link)
    this.#controller?.linked(link)
    this.#schedules?.linked(link.peer)
    this.#purges.linked(link.peer)
    this.#seen(link)
  }

  unlinked(link: PeerLink): void {
    this.#controller?.unlinked(link)
    this.#purges.unlinked(link.peer)
    this.#seen(link)
  }

  /** For what peers say and ask. */
  get handlers(): Handlers<typeof prewarmProtocol> {
    return {
      letter: (link, { body }) => this.#message(link, body),
      prewarm: (link, { body }, signal) => this.#answer(link, body, signal),
    }
  }

  /** Takes a message; anything else is dropped: a later version may send it. */
  #message(link: PeerLink, body: Uint8Array): void {
    const verdict = messageVerdict(body, link.peer, this.#receiver)
    const message = verdict === 'taken' ? decodeMessage(body) : undefined
    if (message !== undefined) return this.#deliver(link.peer, message)
    const why = verdict === 'refused' ? 'that this peer may not send' : 'of no kind that is known'
    this.#deps.logger.warn({ peer: link.peer.key }, `a prewarm message ${why} was dropped`)
  }

  /** Returns a request. Never rejects: what goes wrong is in the answer. */
  async #answer(link: PeerLink, body: Uint8Array, signal: AbortSignal): Promise<Reply<typeof prewarmProtocol.prewarm>> {
    if (requestVerdict(body, link.peer, this.#receiver) === 'refused') {
      return refused('denied', 'this prewarm request is not for this peer to make')
    }
    const request = decodeRequest(body)
    if (request === undefined) return refused('unavailable', 'not a prewarm request of this version')
    if (request.name === 'plan' && !this.#deps.chargePlan(link, request.ask.spec.images.length)) return SPENT
    try {
      const value = await this.#respond(link, request, signal)
      const order = 'order' in request.ask ? request.ask.order : undefined
      if (order !== undefined) this.orders.note(order, link)
      return { kind: 'prewarm', body: encodeResponse({ value }) }
    } catch (error) {
      if (!isShoalError(error)) this.#deps.logger.warn({ err: error }, 'a prewarm request failed')
      return { kind: 'prewarm', body: encodeResponse({ error }) }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#purges[Symbol.asyncDispose]()
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

  get #receiver(): Receiver {
    const { swarm, tier } = this.#deps
    return { region: swarm.self.region, isParentRegion: (region) => tier.isParentRegion(region) }
  }

  #deliver(from: PeerInfo, message: PrewarmMessage): void {
    this.#worker?.message(from, message)
    this.#controller?.message(from, message)
    this.#purges.message(from, message)
    if (message.kind === 'schedule') this.#schedules?.hear(message.row)
  }

  async #respond(
    link: PeerLink,
    request: PrewarmRequest,
    signal: AbortSignal,
  ): Promise<ResponseTo<PrewarmRequest['name']>> {
    if (request.name === 'need' && link.peer.role === 'cache') {
      return { ...needOf(request.ask.plan, this.#deps.store), freeBytes: await this.#deps.freeBytes() }
    }
    if (this.#api === undefined) throw new ShoalError('UNAVAILABLE', 'this host is no cache')
    return this.#api.respond(link.peer, request, signal)
  }
}

function changeOf({ id, state, reason, plan }: JobRow): JobChange {
  return { job: id, state, reason, images: plan.images.map(({ reference }) => reference) }
}

import type { Clock } from '../base/clock.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { BlobStore } from '../store/index.ts'
import type { CallResults, MessageOf, PeerInfo, PeerLink, Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import { Coordinator } from './coordinator.ts'
import { Desk } from './desk.ts'
import type { HostTaskDeps } from './host-task.ts'
import type { ImageSource } from './interface.ts'
import type { Letter } from './letters.ts'
import { decodeLetter } from './letters.ts'
import type { Receiver } from './message-rights.ts'
import { letterVerdict, questionVerdict } from './message-rights.ts'
import { createPrewarmMetrics } from './metrics.ts'
import { needOf } from './need.ts'
import { Orders } from './orders.ts'
import { Planner } from './planner.ts'
import { Post } from './post.ts'
import type { Answer, Question } from './questions.ts'
import { decodeQuestion, encodeAnswer } from './questions.ts'
import { RegionBook } from './region-book.ts'
import { Worker } from './worker.ts'

export interface OfficeDeps extends Pick<HostTaskDeps, 'pins' | 'loader' | 'hostRate' | 'freeBytes'> {
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly store: BlobStore
  readonly swarm: Swarm
  readonly tier: Tier
  readonly transfers: Transfers
  readonly images: ImageSource
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

export interface OfficeOptions {
  /** This host's name, for people. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** `os/arch`: what a job means that names no platform. */
  readonly platform: string
}

const MAX_PLANS = 8
const MAX_PLANS_OF_A_HOST = 2

/**
 * Prewarm on one host: a worker if it is one of those that containers run on, a desk if it is a cache, both if it is its own
 * tier. Reads the letters, answers the questions, and is what the doors ask.
 */
export class PrewarmOffice implements AsyncDisposable {
  readonly #deps: OfficeDeps
  readonly #desk: Desk | undefined
  readonly #worker: Worker | undefined
  readonly #regions: RegionBook
  /** For whom plans are being made. */
  readonly #planning: string[] = []
  readonly service: Coordinator
  readonly orders: Orders

  constructor(deps: OfficeDeps, { name, labels, platform }: OfficeOptions) {
    this.#deps = deps
    const { clock, logger, tier, store, transfers, swarm, images, now } = deps
    const post = new Post({ swarm, tier, deliver: (from, letter) => this.#deliver(from, letter) })
    const isAlone = tier.status().state === 'own' && swarm.self.role === 'agent'
    const orders = new Orders({
      trust: swarm.trust,
      region: swarm.self.region,
      isParentRegion: (region) => tier.isParentRegion(region),
      now,
    })
    this.orders = orders
    const shared = { clock, logger, tier, store, transfers, post, images, now, orders }
    if (swarm.self.role === 'cache' || isAlone) this.#desk = new Desk(shared)
    if (swarm.self.role === 'agent') {
      const { pins, loader, hostRate, freeBytes } = deps
      this.#worker = new Worker({ ...shared, pins, loader, hostRate, freeBytes, facts: { name, labels } })
    }
    const planner = new Planner(images, platform)
    const regions = new RegionBook({ logger, store, now })
    this.#regions = regions
    this.service = new Coordinator({
      logger,
      swarm,
      tier,
      post,
      planner,
      store,
      now,
      regions,
      orders,
      desk: this.#desk,
    })
    createPrewarmMetrics(deps.registry, {
      jobs: () => this.#desk?.headTallies() ?? [],
      tasks: () => this.#worker?.counts() ?? [],
    })
  }

  /** Goes on where an earlier process stopped. To be called before anything is told of peers. */
  async start(): Promise<void> {
    if (this.#desk !== undefined) await this.#regions.load()
    await this.#worker?.start()
    await this.#desk?.start()
  }

  linked(link: PeerLink): void {
    this.#worker?.linked(link)
    this.#desk?.linked(link)
    this.#seen(link)
  }

  unlinked(link: PeerLink): void {
    this.#desk?.unlinked(link)
    this.#seen(link)
  }

  /** Takes a letter; what is none is dropped: a later version may send it. */
  message(link: PeerLink, { body }: MessageOf<'letter'>): void {
    const verdict = letterVerdict(body, link.peer, this.#receiver)
    const letter = verdict === 'taken' ? decodeLetter(body) : undefined
    if (letter !== undefined) return this.#deliver(link.peer, letter)
    const why = verdict === 'refused' ? 'that this peer may not send' : 'of no kind that is known'
    this.#deps.logger.warn({ peer: link.peer.key }, `a prewarm message ${why} was dropped`)
  }

  /** Answers a question. Never rejects: what goes wrong is in the answer. */
  async call(link: PeerLink, body: Uint8Array, signal: AbortSignal): Promise<CallResults['prewarm']> {
    if (questionVerdict(body, link.peer, this.#receiver) === 'refused') {
      return { kind: 'refused', reason: 'denied', message: 'this prewarm request is not for this peer to make' }
    }
    const question = decodeQuestion(body)
    if (question === undefined) {
      return { kind: 'refused', reason: 'unavailable', message: 'not a prewarm question of this version' }
    }
    try {
      return { kind: 'prewarm', body: encodeAnswer({ value: await this.#answer(link, question, signal) }) }
    } catch (error) {
      if (!isShoalError(error)) this.#deps.logger.warn({ err: errorText(error) }, 'a prewarm question failed')
      return { kind: 'prewarm', body: encodeAnswer({ error }) }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#desk?.[Symbol.asyncDispose]()
    await this.#worker?.[Symbol.asyncDispose]()
  }

  /** Regions below this one are missed when they are away. */
  #seen({ peer }: PeerLink): void {
    const { swarm, tier } = this.#deps
    const isBelow = peer.region !== swarm.self.region && !tier.isParentRegion(peer.region)
    if (this.#desk !== undefined && peer.role === 'cache' && isBelow) this.#regions.note(peer.region)
  }

  get #receiver(): Receiver {
    const { swarm, tier } = this.#deps
    return { region: swarm.self.region, isParentRegion: (region) => tier.isParentRegion(region) }
  }

  #deliver(from: PeerInfo, letter: Letter): void {
    this.#worker?.letter(from, letter)
    this.#desk?.letter(from, letter)
  }

  async #answer(link: PeerLink, question: Question, signal: AbortSignal): Promise<Answer<Question['name']>> {
    if (question.name === 'need' && link.peer.role === 'cache') {
      return { ...needOf(question.ask.plan, this.#deps.store), freeBytes: await this.#deps.freeBytes() }
    }
    if (this.#desk === undefined) throw new ShoalError('UNAVAILABLE', 'this host is no cache')
    const { tier: known } = this.#deps
    const isFromAbove = known.isCache(link.peer) && known.isParentRegion(link.peer.region)
    if ((question.name === 'survey' || question.name === 'hosts') && isFromAbove) {
      return question.name === 'survey'
        ? this.service.surveyHere(question.ask, question.hops, signal)
        : this.service.hostsHere(question.ask, question.hops, signal)
    }
    return question.name === 'plan' ? this.#planFor(link, question, signal) : this.service.answer(question, signal)
  }

  /** A plan asks origins and hosts, and anybody may want one: few at once, and few of one host. */
  async #planFor({ peer }: PeerLink, question: Question, signal: AbortSignal): Promise<Answer<Question['name']>> {
    const own = this.#planning.filter((key) => key === peer.key).length
    if (this.#planning.length >= MAX_PLANS || (peer.role !== 'cache' && own >= MAX_PLANS_OF_A_HOST)) {
      throw new ShoalError('UNAVAILABLE', 'plans are being made already; try again when they are')
    }
    this.#planning.push(peer.key)
    try {
      return await this.service.answer(question, signal)
    } finally {
      this.#planning.splice(this.#planning.indexOf(peer.key), 1)
    }
  }
}

import { sleep } from '../base/abort.ts'
import { sumOf } from '../base/sum.ts'
import { TaskGroup } from '../base/task-group.ts'
import { Wake } from '../base/wake.ts'
import { homeKeyOf } from '../orders/index.ts'
import type { PeerInfo, PeerLink } from '../swarm/index.ts'
import type { ControllerDeps } from './controller-deps.ts'
import type { HostReport, HostView, JobRow, Plan, Tally, ToldRow } from './interface.ts'
import { Inventory } from './inventory.ts'
import { advanceJob, endLost, isFinal, isLive, summaryOf, withRegion } from './job.ts'
import { orderedSpec } from './job-orders.ts'
import { JobPublisher } from './job-publisher.ts'
import { JobStore } from './job-store.ts'
import { KnownJobs } from './known-jobs.ts'
import { Leases } from './leases.ts'
import type { PrewarmMessage } from './messages.ts'
import type { RosterEntry } from './progress.ts'
import { Replicas } from './replicas.ts'
import type { Rollout } from './rollout.ts'
import { talliesOf } from './tallies.ts'
import { dropUnordered } from './unordered-jobs.ts'

const TICK_MS = 1_000
/** What happens is acted on this soon, many things together. */
const SOON_MS = 50
/** A restarted cache waits this long for its hosts to link before it says which there are. */
const SETTLE_MS = 5_000
const MAX_REGIONS = 1024

/**
 * A cache's side of prewarm: keeps jobs, drives those it is leader of in its region, coordinates those whose root its
 * region is, and tells the other caches. Everything it does can be done twice: who is leader is decided by ranking the
 * caches that are linked, so that the next one goes on when the first is gone, and for a moment both may believe it.
 */
export class JobController implements AsyncDisposable {
  readonly inventory = new Inventory()
  readonly jobStore: JobStore
  readonly #deps: ControllerDeps
  readonly #jobs: KnownJobs
  readonly #replicas: Replicas
  readonly #leases: Leases
  readonly #publisher: JobPublisher
  readonly #tasks: TaskGroup
  readonly #startedAt: number
  readonly #wake = new Wake()

  constructor(deps: ControllerDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    this.jobStore = new JobStore(deps.store, deps.jobChanged)
    this.#jobs = new KnownJobs({ ...deps, jobStore: this.jobStore, inventory: this.inventory })
    this.#replicas = new Replicas(deps)
    this.#leases = new Leases({ ...deps, jobStore: this.jobStore })
    this.#publisher = new JobPublisher({
      clock: deps.clock,
      messenger: deps.messenger,
      tier: deps.tier,
      plans: this.#jobs.plans,
      job: (id) => this.#jobs.get(id)?.rollout,
      tallies: (id) => this.tallies(id),
      originBytes: (id) => this.#jobs.origin.bytes(id),
      isLeader: (id) => this.#rank(id) === 0,
    })
    this.#startedAt = deps.clock.now()
  }

  async start(): Promise<void> {
    const dropped = await this.jobStore.load()
    if (dropped > 0)
      this.#deps.logger.warn({ jobs: dropped }, 'prewarm jobs were set aside: there are too many of them')
    for (const row of this.jobStore.all()) this.#jobs.open(row)
    const live = this.jobStore.all().filter((row) => isLive(row, this.#deps.clock.wall()))
    for (const row of live) await this.#resume(row)
    // a week of large jobs is read for a minute: nobody waits for what is only to be looked at
    const ended = this.jobStore.all().filter(({ id }) => !live.some((row) => row.id === id))
    void this.#tasks.run('what is left of old jobs cannot be read', (signal) => this.#recallAll(ended, signal))
    this.#jobs.origin.start()
    void this.#tasks.run('prewarm jobs are driven no longer', () => this.#run())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#jobs.origin[Symbol.dispose]()
    await Promise.all([this.#tasks.stop(), this.#replicas[Symbol.asyncDispose]()])
  }

  /** Another cache hears of all jobs at once: it may know nothing, or no longer. */
  linked({ peer }: PeerLink): void {
    if (peer.role !== 'cache') return
    for (const row of this.jobStore.all()) {
      const isRoot = row.root === this.#self.region && this.#rank(row.id) === 0 && !this.#publisher.isAbove(peer)
      const grown = isRoot ? withRegion(row, peer.region, this.#deps.clock.wall()) : undefined
      if (grown !== undefined) void this.accept(grown)
    }
    // those under way first
    const rows = this.jobStore.all().sort((a, b) => Number(isFinal(a.state)) - Number(isFinal(b.state)))
    void this.#tasks.run('a cache was not told of all prewarm jobs', (signal) =>
      this.#publisher.all(peer, rows, signal),
    )
  }

  unlinked({ peer }: PeerLink): void {
    this.inventory.forget(peer.key)
    for (const { rollout } of this.#jobs.all()) rollout.unlinked(peer.key)
  }

  /** Whether this peer may send it has been looked at (message-rights.ts). */
  message(from: PeerInfo, message: PrewarmMessage): void {
    switch (message.kind) {
      case 'host':
        if (this.inventory.note(from, message.facts)) this.#soon()
        return
      case 'report':
        return this.#report(from, message.job, message.report)
      case 'checkIn':
        return this.#leases.answer(from.key, message.job)
      case 'row':
        return void this.#hear(from, message.row)
      case 'roster':
        return this.#roster(message.job, message.first, message.hosts)
      case 'tally':
        // of this region its own caches alone can tell
        if (this.#publisher.isNear(from) || message.region !== this.#self.region) this.#tallied(message)
        return
      case 'fetched':
        return this.#jobs.get(message.job)?.rollout.fetched(from.key, message.originBytes)
      case 'task':
      case 'standing':
      case 'schedule':
        return
      default:
        return message satisfies never
    }
  }

  /** A row of another cache is taken over when the job's own orders say what it says. */
  async #hear(from: PeerInfo, told: ToldRow): Promise<void> {
    const { plan, ...rest } = told
    const row: JobRow = { ...rest, plan: summaryOf(plan) }
    if (!this.jobStore.wants(row)) return
    const spec = orderedSpec(this.#deps.orders, told, this.jobStore.get(row.id)?.orders)
    const { id: job } = row
    if (spec === undefined) {
      this.#deps.logger.warn({ job, peer: from.key }, 'a job without an order that counts here was dropped')
    } else if (this.#jobs.get(job) === undefined && !isFinal(row.state) && !this.#jobs.hasRoom(plan)) {
      this.#deps.logger.warn(
        { job, peer: from.key },
        'a job was dropped: all that are under way are too large together',
      )
    } else await this.accept({ ...row, spec }, plan)
  }

  /** Whether a job with this plan can be under way beside the others; those that have just ended make room for it. */
  hasRoom(plan: Plan): boolean {
    return this.#jobs.hasRoom(plan)
  }

  /** Takes over a newer row, of a new job with its plan, and tells the other caches; resolves when it is on the disk. Never rejects. */
  async accept(row: JobRow, plan?: Plan): Promise<void> {
    const { kept, written } = this.jobStore.put(row)
    if (!kept) return
    const known = this.#jobs.get(row.id)
    if (known === undefined) this.#jobs.open(row)
    else known.rollout.update(row)
    const saved = known === undefined && plan !== undefined ? this.#jobs.plans.save(row.id, plan) : Promise.resolve()
    if (known === undefined && plan !== undefined && !isFinal(row.state)) this.#jobs.plans.hold(row.id, plan)
    const below = this.#deps.messenger.caches((peer) => !this.#publisher.isAbove(peer)).map(({ peer }) => peer)
    await this.#jobs.noted(Promise.all([saved, this.#publisher.row(below, row)]), 'a prewarm job cannot be told')
    this.#soon()
    await this.#jobs.noted(written, 'a prewarm job cannot be written')
    // who takes part is who is here when the job begins, not a moment later
    if (known === undefined && !isFinal(row.state))
      await this.#jobs.noted(this.#drive(row), 'a prewarm job does not begin')
  }

  /** What regions say of a job, this one included. */
  tallies(id: string): Map<string, Tally> {
    const known = this.#jobs.get(id)
    return known === undefined ? new Map() : talliesOf(known, this.jobStore.get(id), this.#self.region, this.#rank(id))
  }

  /** This region's part in the jobs that run and that this cache is leader of. */
  leaderTallies(): Tally[] {
    const live = this.jobStore.all().filter(({ id, state }) => !isFinal(state) && this.#rank(id) === 0)
    return live.flatMap(({ id }) => this.tallies(id).get(this.#self.region) ?? [])
  }

  bytesPerSec(id: string): number {
    return this.#jobs.get(id)?.rate.bytesPerSec ?? 0
  }

  /** Hosts of this region from place `first` of their order on. */
  hostViews(id: string, first: number, most: number): HostView[] {
    return this.#jobs.get(id)?.rollout.views(this.#self.region, first, most) ?? []
  }

  get #self(): PeerInfo {
    return this.#deps.messenger.self
  }

  /** This cache's place among the homes of a job: 0 is its leader, 1 the standby. */
  #rank(id: string): number {
    return this.#deps.tier.homes(homeKeyOf(id)).findIndex(({ kind }) => kind === 'self')
  }

  async #recallAll(rows: readonly JobRow[], signal: AbortSignal): Promise<void> {
    await this.#jobs.noted(dropUnordered(this.#deps), 'jobs of an earlier version cannot be read')
    await this.#jobs.noted(this.jobStore.sweep(), 'what is left of old jobs cannot be read')
    for (const { id } of rows) {
      if (signal.aborted) return
      await this.#jobs.noted(this.#jobs.recall(id), 'the hosts of a job cannot be read')
    }
  }

  /** A job that was under way: without its plan it cannot go on. */
  async #resume(row: JobRow): Promise<void> {
    const { plans } = this.#jobs
    const plan = await plans.read(row.id)
    if (plan !== undefined && plans.hasRoom(plan)) plans.hold(row.id, plan)
    else {
      this.#deps.logger.warn({ job: row.id }, 'a prewarm job has ended: its plan is lost, or there is no room for it')
      await this.accept(endLost(row, this.#deps.clock.wall()))
    }
    await this.#jobs.recall(row.id)
  }

  #report(from: PeerInfo, id: string, report: HostReport): void {
    const job = this.#jobs.get(id)?.rollout
    const isOver = this.#leases.stops(from.key, id, report)
    // how a host was counted when the job ended stands
    if (job === undefined || (isOver && job.ended(from.key))) return
    const name = this.inventory.nameOf(from.key) ?? from.addresses[0] ?? from.key
    const wasEnded = job.ended(from.key)
    if (!job.report({ key: from.key, name }, report) || !job.ended(from.key)) return
    if (!wasEnded) this.#soon()
    void this.#jobs.noted(this.jobStore.saveEnded(id, from.key, report), 'how a host ended cannot be written')
  }

  #roster(id: string, first: number, hosts: readonly RosterEntry[]): void {
    if (this.#jobs.get(id)?.rollout.learnRoster(hosts) !== true) return
    void this.#jobs.noted(this.jobStore.saveRoster(id, first, hosts), 'the hosts of a job cannot be written')
  }

  #tallied({ job, region, tally }: Extract<PrewarmMessage, { kind: 'tally' }>): void {
    const tallies = this.#jobs.get(job)?.tallies
    if (tallies === undefined || (!tallies.has(region) && tallies.size >= MAX_REGIONS)) return
    tallies.set(region, tally)
    this.#soon()
  }

  #soon(): void {
    this.#wake.call()
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#deps
    const { signal } = this.#tasks
    while (!signal.aborted) {
      try {
        await this.#tick()
      } catch (error) {
        logger.error({ err: error }, 'the prewarm jobs could not be gone on with')
      }
      await this.#wake.wait(clock, TICK_MS, signal)
      await sleep(clock, SOON_MS, signal)
    }
  }

  async #tick(): Promise<void> {
    for (const row of this.jobStore.all()) if (this.#jobs.isActive(row)) await this.#drive(row)
    this.#jobs.releaseEnded()
    for (const id of await this.#jobs.forgetOld()) this.#publisher.forget(id)
  }

  async #drive(row: JobRow): Promise<void> {
    const known = this.#jobs.get(row.id)
    const share = row.shares[this.#self.region]
    if (known === undefined) return
    const isLeader = this.#rank(row.id) === 0
    // the caches of a region read from origins in equal parts, also for those below it alone
    const { originRateBytesPerSec } = share ?? row.spec
    this.#jobs.origin.setRate(row.id, Math.ceil(originRateBytesPerSec / (1 + this.#publisher.others.length)))
    if (share !== undefined) {
      const plan = this.#jobs.plans.held(row.id)
      if (this.#self.role === 'cache') this.#replicas.follow(row, plan)
      if (isLeader && plan !== undefined) this.#step(row, known.rollout, plan)
    }
    this.#noteOriginBytes(row.id, known.rollout)
    const tallies = this.tallies(row.id)
    known.rate.add([...tallies.values()].reduce((sum, { moved }) => sum + sumOf(moved), 0))
    this.#publisher.tallies(row)
    const next =
      isLeader && row.root === this.#self.region ? advanceJob(row, tallies, this.#deps.clock.wall()) : undefined
    if (next === undefined) return
    if (next.state !== row.state) {
      this.#deps.logger.info({ job: row.id, state: next.state, reason: next.reason }, 'a prewarm job has ended')
    }
    await this.accept(next)
  }

  #step({ id, shares, createdEpochMs }: JobRow, job: Rollout, plan: Plan): void {
    const { clock } = this.#deps
    const isSettled = clock.now() - this.#startedAt > SETTLE_MS || createdEpochMs > clock.wall() - SETTLE_MS
    if (!job.hasRoster && !isSettled) return
    const added = job.step(shares[this.#self.region]!, plan)
    if (added === undefined) return
    void this.#jobs.noted(
      this.jobStore.saveRoster(id, added.first, added.hosts),
      'the hosts of a job cannot be written',
    )
    this.#publisher.roster(this.#publisher.others, id, added)
  }

  /** What this cache read from origins counts at every cache of the region, so that any of them can be leader. */
  #noteOriginBytes(id: string, rollout: Rollout): void {
    const bytes = this.#jobs.origin.bytes(id)
    rollout.fetched(this.#self.key, bytes)
    if (!this.#publisher.originBytes(id, bytes)) return
    void this.#jobs.noted(this.jobStore.saveFetched(id, bytes), 'what was read for a job cannot be written')
  }
}

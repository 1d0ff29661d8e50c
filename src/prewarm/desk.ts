import { sleep } from '../base/abort.ts'
import { errorText } from '../base/errors.ts'
import type { PeerInfo, PeerLink } from '../swarm/index.ts'
import type { DeskDeps } from './desk-deps.ts'
import { HostRoll } from './host-roll.ts'
import type { HostReport, HostView, JobRow, Plan, Tally, ToldRow } from './interface.ts'
import { advanceJob, endLost, headOf, homeKeyOf, isFinal, isLive, withRegion } from './job.ts'
import { JobBook } from './job-book.ts'
import type { RosterEntry } from './ledger.ts'
import type { Letter } from './letters.ts'
import { OriginAccount } from './origin-account.ts'
import { PlanStore } from './plan-store.ts'
import { RegionJob } from './region-job.ts'
import { Replicas } from './replicas.ts'
import { Standings } from './standings.ts'
import type { KnownTallies } from './tallies.ts'
import { talliesOf } from './tallies.ts'
import { Telling } from './telling.ts'
import { RateWindow } from './views.ts'

const TICK_MS = 1_000
/** What happens is acted on this soon, many things together. */
const SOON_MS = 50
/** A restarted cache waits so long for its hosts to link before it says which there are. */
const SETTLE_MS = 5_000
/** So long hosts of a job that has ended are told so, whether they speak or not. */
const TELL_END_MS = 10 * 60_000
const MAX_REGIONS = 1024

/** What is known of a job beside its row. */
interface Known extends KnownTallies {
  readonly tallies: Map<string, Tally>
  readonly rate: RateWindow
}

/**
 * A cache's side of prewarm: keeps jobs, drives those it is head of in its region, coordinates those whose root its
 * region is, and tells the other caches. Everything it does can be done twice: who is head is decided by ranking the
 * caches that are linked, so that the next one goes on when the first is gone, and for a moment both may believe it.
 */
export class Desk implements AsyncDisposable {
  readonly roll = new HostRoll()
  readonly book: JobBook
  readonly #deps: DeskDeps
  readonly #jobs = new Map<string, Known>()
  readonly #origin: OriginAccount
  readonly #replicas: Replicas
  readonly #standings: Standings
  readonly #plans: PlanStore
  readonly #telling: Telling
  readonly #stop = new AbortController()
  readonly #startedAt: number
  /** Waits for work whose failure is worth a line, and no more. */
  readonly #logFailure = (work: Promise<unknown>, what: string): Promise<void> =>
    work.then(
      () => {},
      (error: unknown) => this.#deps.logger.warn({ err: errorText(error) }, what),
    )
  #wake = Promise.withResolvers<void>()
  #loop: Promise<void> | undefined
  #recalling: Promise<void> | undefined

  constructor(deps: DeskDeps) {
    this.#deps = deps
    this.book = new JobBook(deps.store)
    this.#origin = new OriginAccount({ ...deps, book: this.book, counts: this.#self.role === 'cache' })
    this.#replicas = new Replicas(deps)
    this.#standings = new Standings({ ...deps, book: this.book })
    this.#plans = new PlanStore(deps.store, this.#origin)
    this.#telling = new Telling({
      clock: deps.clock,
      post: deps.post,
      tier: deps.tier,
      plans: this.#plans,
      job: (id) => this.#jobs.get(id)?.region,
      tallies: (id) => this.tallies(id),
      originBytes: (id) => this.#origin.bytes(id),
      isHead: (id) => this.#rank(id) === 0,
    })
    this.#startedAt = deps.clock.now()
  }

  async start(): Promise<void> {
    const dropped = await this.book.load()
    if (dropped > 0)
      this.#deps.logger.warn({ jobs: dropped }, 'prewarm jobs were set aside: there are too many of them')
    for (const row of this.book.all()) this.#open(row)
    const live = this.book.all().filter((row) => isLive(row, this.#deps.now()))
    for (const row of live) await this.#resume(row)
    // a week of large jobs is read for a minute: nobody waits for what is only to be looked at
    this.#recalling = this.#recallAll(this.book.all().filter(({ id }) => !live.some((row) => row.id === id)))
    this.#origin.start()
    this.#loop ??= this.#run().catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#origin[Symbol.dispose]()
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    await this.#replicas[Symbol.asyncDispose]()
    await Promise.all([this.#loop, this.#recalling])
  }

  /** Another cache hears of all jobs at once: it may know nothing, or no longer. */
  linked({ peer }: PeerLink): void {
    if (peer.role !== 'cache') return
    for (const row of this.book.all()) {
      const isRoot = row.root === this.#self.region && this.#rank(row.id) === 0 && !this.#telling.isAbove(peer)
      const grown = isRoot ? withRegion(row, peer.region, this.#deps.now()) : undefined
      if (grown !== undefined) void this.accept(grown)
    }
    // those under way first
    const rows = this.book.all().sort((a, b) => Number(isFinal(a.state)) - Number(isFinal(b.state)))
    void this.#telling.all(peer, rows, this.#stop.signal).catch(() => {})
  }

  unlinked({ peer }: PeerLink): void {
    this.roll.forget(peer.key)
    for (const { region } of this.#jobs.values()) region.unlinked(peer.key)
  }

  /** Whether this peer may send it has been looked at (message-rights.ts). */
  letter(from: PeerInfo, letter: Letter): void {
    switch (letter.kind) {
      case 'host':
        if (this.roll.note(from, letter.facts)) this.#soon()
        return
      case 'report':
        return this.#report(from, letter.job, letter.report)
      case 'checkIn':
        return this.#standings.answer(from.key, letter.job)
      case 'row':
        return void this.#hear(from, letter.row)
      case 'roster':
        return this.#roster(letter.job, letter.first, letter.hosts)
      case 'tally':
        // of this region its own caches alone can tell
        if (this.#telling.isNear(from) || letter.region !== this.#self.region) this.#tallied(letter)
        return
      case 'fetched':
        return this.#jobs.get(letter.job)?.region.fetched(from.key, letter.originBytes)
      case 'task':
      case 'standing':
        return
      default:
        return letter satisfies never
    }
  }

  /** A row of another cache is taken over when the job's own orders say what it says. */
  async #hear(from: PeerInfo, told: ToldRow): Promise<void> {
    const { plan, ...rest } = told
    const row: JobRow = { ...rest, plan: headOf(plan) }
    if (!this.book.wants(row)) return
    const spec = this.#deps.orders.specOf(told, this.book.get(row.id)?.orders)
    const { id: job } = row
    if (spec === undefined) {
      this.#deps.logger.warn({ job, peer: from.key }, 'a job without an order that counts here was dropped')
    } else if (!this.#jobs.has(job) && !isFinal(row.state) && !this.hasRoom(plan)) {
      this.#deps.logger.warn(
        { job, peer: from.key },
        'a job was dropped: all that are under way are too large together',
      )
    } else await this.accept({ ...row, spec }, plan)
  }

  /** Whether a job with this plan can be under way beside the others; those that have just ended make room for it. */
  hasRoom(plan: Plan): boolean {
    for (const row of this.book.oldestEnded()) {
      if (this.#plans.hasRoom(plan)) return true
      if (!isLive(row, this.#deps.now())) this.#release(row.id)
    }
    return this.#plans.hasRoom(plan)
  }

  /** Takes over a newer row, of a new job with its plan, and tells the other caches; resolves when it is on the disk. Never rejects. */
  async accept(row: JobRow, plan?: Plan): Promise<void> {
    const { kept, written } = this.book.put(row)
    if (!kept) return
    const known = this.#jobs.get(row.id)
    if (known === undefined) this.#open(row)
    else known.region.update(row)
    const saved = known === undefined && plan !== undefined ? this.#plans.save(row.id, plan) : Promise.resolve()
    if (known === undefined && plan !== undefined && !isFinal(row.state)) this.#plans.hold(row.id, plan)
    const below = this.#deps.post.caches((peer) => !this.#telling.isAbove(peer)).map(({ peer }) => peer)
    await this.#logFailure(Promise.all([saved, this.#telling.row(below, row)]), 'a prewarm job cannot be told')
    this.#soon()
    await this.#logFailure(written, 'a prewarm job cannot be written')
    // who takes part is who is here when the job begins, not a moment later
    if (known === undefined && !isFinal(row.state))
      await this.#logFailure(this.#drive(row), 'a prewarm job does not begin')
  }

  /** What regions say of a job, this one included. */
  tallies(id: string): Map<string, Tally> {
    const known = this.#jobs.get(id)
    return known === undefined ? new Map() : talliesOf(known, this.book.get(id), this.#self.region, this.#rank(id))
  }

  /** This region's part in the jobs that run and that this cache is head of. */
  headTallies(): Tally[] {
    const live = this.book.all().filter(({ id, state }) => !isFinal(state) && this.#rank(id) === 0)
    return live.flatMap(({ id }) => this.tallies(id).get(this.#self.region) ?? [])
  }

  bytesPerSec(id: string): number {
    return this.#jobs.get(id)?.rate.bytesPerSec ?? 0
  }

  /** Hosts of this region from place `first` of their order on. */
  hostViews(id: string, first: number, most: number): HostView[] {
    return this.#jobs.get(id)?.region.views(this.#self.region, first, most) ?? []
  }

  get #self(): PeerInfo {
    return this.#deps.post.self
  }

  /** This cache's place among the homes of a job: 0 is its head, 1 the stand-in. */
  #rank(id: string): number {
    return this.#deps.tier.homes(homeKeyOf(id)).findIndex(({ kind }) => kind === 'self')
  }

  async #recallAll(rows: readonly JobRow[]): Promise<void> {
    await this.#logFailure(this.book.sweep(), 'what is left of old jobs cannot be read')
    for (const { id } of rows) {
      if (this.#stop.signal.aborted) return
      await this.#logFailure(this.#recall(id), 'the hosts of a job cannot be read')
    }
  }

  /** What this cache's disk says of a job's hosts, put beside what others have said meanwhile: all at once, so that nobody sees a part. */
  async #recall(id: string): Promise<void> {
    const originBytes = await this.book.fetched(id)
    const roster: RosterEntry[] = []
    const ended: (readonly [key: string, report: HostReport])[] = []
    let hasRoster = false
    await this.book.hosts(id, {
      roster: (hosts) => {
        hasRoster = true
        for (const host of hosts) roster.push(host)
      },
      ended: (key, report) => ended.push([key, report]),
    })
    const region = this.#jobs.get(id)?.region
    this.#origin.restore(id, originBytes)
    region?.fetched(this.#self.key, this.#origin.bytes(id))
    if (hasRoster) region?.learnRoster(roster)
    for (const [key, report] of ended) region?.restore({ key, name: key }, report)
  }

  /** A job that was under way: without its plan it cannot go on. */
  async #resume(row: JobRow): Promise<void> {
    const plan = await this.#plans.read(row.id)
    if (plan !== undefined && this.#plans.hasRoom(plan)) this.#plans.hold(row.id, plan)
    else {
      this.#deps.logger.warn({ job: row.id }, 'a prewarm job has ended: its plan is lost, or there is no room for it')
      await this.accept(endLost(row, this.#deps.now()))
    }
    await this.#recall(row.id)
  }

  /** Nothing more is done with jobs that have ended. */
  #releaseEnded(): void {
    for (const row of this.book.all()) {
      if (!isLive(row, this.#deps.now()) && !this.#endedJustNow(row)) this.#release(row.id)
    }
  }

  #release(id: string): void {
    if (this.#plans.held(id) === undefined) return
    this.#plans.release(id)
    this.#jobs.get(id)?.region.release()
  }

  #open(row: JobRow): void {
    const { clock, post, now } = this.#deps
    const region = new RegionJob(row, { clock, post, now, roll: this.roll })
    this.#jobs.set(row.id, { region, tallies: new Map(), rate: new RateWindow(clock) })
    this.#origin.open(row.id)
  }

  #report(from: PeerInfo, id: string, report: HostReport): void {
    const job = this.#jobs.get(id)?.region
    const isOver = this.#standings.stops(from.key, id, report)
    // how a host was counted when the job ended stands
    if (job === undefined || (isOver && job.ended(from.key))) return
    const name = this.roll.nameOf(from.key) ?? from.addresses[0] ?? from.key
    const wasEnded = job.ended(from.key)
    if (!job.report({ key: from.key, name }, report) || !job.ended(from.key)) return
    if (!wasEnded) this.#soon()
    void this.#logFailure(this.book.saveEnded(id, from.key, report), 'how a host ended cannot be written')
  }

  #roster(id: string, first: number, hosts: readonly RosterEntry[]): void {
    if (this.#jobs.get(id)?.region.learnRoster(hosts) !== true) return
    void this.#logFailure(this.book.saveRoster(id, first, hosts), 'the hosts of a job cannot be written')
  }

  #tallied({ job, region, tally }: Extract<Letter, { kind: 'tally' }>): void {
    const tallies = this.#jobs.get(job)?.tallies
    if (tallies === undefined || (!tallies.has(region) && tallies.size >= MAX_REGIONS)) return
    tallies.set(region, tally)
    this.#soon()
  }

  #soon(): void {
    this.#wake.resolve()
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#deps
    const { signal } = this.#stop
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers<void>()
      try {
        await this.#tick()
      } catch (error) {
        logger.error({ err: errorText(error) }, 'driving the prewarm jobs failed')
      }
      await Promise.race([sleep(clock, TICK_MS, signal), this.#wake.promise])
      await sleep(clock, SOON_MS, signal)
    }
  }

  async #tick(): Promise<void> {
    for (const row of this.book.all()) {
      if (isLive(row, this.#deps.now()) || this.#endedJustNow(row)) await this.#drive(row)
    }
    this.#releaseEnded()
    await this.#forgetOld()
  }

  /** For a while hosts must still be told that the job is over; who comes back later hears it when it speaks. */
  #endedJustNow({ changedEpochMs }: JobRow): boolean {
    return this.#deps.now() - changedEpochMs < TELL_END_MS
  }

  async #drive(row: JobRow): Promise<void> {
    const known = this.#jobs.get(row.id)
    const share = row.shares[this.#self.region]
    if (known === undefined) return
    const isHead = this.#rank(row.id) === 0
    // the caches of a region read from origins in equal parts, also for those below it alone
    const { originRateBytesPerSec } = share ?? row.spec
    this.#origin.setRate(row.id, Math.ceil(originRateBytesPerSec / (1 + this.#telling.others.length)))
    if (share !== undefined) {
      const plan = this.#plans.held(row.id)
      if (this.#self.role === 'cache') this.#replicas.follow(row, plan)
      if (isHead && plan !== undefined) this.#step(row, known.region, plan)
    }
    this.#noteOriginBytes(row.id, known.region)
    const tallies = this.tallies(row.id)
    known.rate.add([...tallies.values()].reduce((sum, { haveBytes }) => sum + haveBytes, 0))
    this.#telling.tallies(row)
    const next = isHead && row.root === this.#self.region ? advanceJob(row, tallies, this.#deps.now()) : undefined
    if (next === undefined) return
    if (next.state !== row.state) {
      this.#deps.logger.info({ job: row.id, state: next.state, reason: next.reason }, 'a prewarm job has ended')
    }
    await this.accept(next)
  }

  #step({ id, shares, createdEpochMs }: JobRow, job: RegionJob, plan: Plan): void {
    const { clock, now } = this.#deps
    const isSettled = clock.now() - this.#startedAt > SETTLE_MS || createdEpochMs > now() - SETTLE_MS
    if (!job.hasRoster && !isSettled) return
    const added = job.step(shares[this.#self.region]!, plan)
    if (added === undefined) return
    void this.#logFailure(this.book.saveRoster(id, added.first, added.hosts), 'the hosts of a job cannot be written')
    this.#deps.post.sendRoster(this.#telling.others, { job: id, ...added })
  }

  /** What this cache read from origins counts at every cache of the region, so that any of them can be head. */
  #noteOriginBytes(id: string, region: RegionJob): void {
    const bytes = this.#origin.bytes(id)
    region.fetched(this.#self.key, bytes)
    if (!this.#telling.originBytes(id, bytes)) return
    void this.#logFailure(this.book.saveFetched(id, bytes), 'what was read for a job cannot be written')
  }

  /** Jobs that are over for long, and the oldest of those that have ended where there are too many, or hosts of them. */
  async #forgetOld(): Promise<void> {
    const crowd = this.book.crowd((id) => this.#jobs.get(id)?.region.size ?? 0)
    const gone = new Set([...this.book.expired(this.#deps.now()), ...crowd].map(({ id }) => id))
    for (const id of gone) {
      this.#jobs.delete(id)
      this.#origin.delete(id)
      this.#telling.forget(id)
      await this.#logFailure(
        Promise.all([this.book.forget(id), this.#plans.forget(id)]),
        'an old job cannot be forgotten',
      )
    }
  }
}

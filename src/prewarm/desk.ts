import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { BlobStore } from '../store/index.ts'
import type { PeerInfo, PeerLink } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import { HostRoll } from './host-roll.ts'
import type { HostReport, HostView, ImageSource, JobRow, Tally } from './interface.ts'
import { advanceJob, homeKeyOf, isFinal, isLive, withRegion } from './job.ts'
import { JobBook } from './job-book.ts'
import type { RosterEntry } from './ledger.ts'
import type { Letter } from './letters.ts'
import type { Orders } from './orders.ts'
import { OriginAccount } from './origin-account.ts'
import type { Post } from './post.ts'
import { RegionJob } from './region-job.ts'
import { Replicas } from './replicas.ts'
import { Standings } from './standings.ts'
import { RateWindow } from './views.ts'

const TICK_MS = 1_000
/** What happens is acted on this soon, many things together. */
const SOON_MS = 50
/** A restarted cache waits so long for its hosts to link before it says which there are. */
const SETTLE_MS = 5_000
const SWEEP_MS = 10 * 60_000

export interface DeskDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly tier: Tier
  readonly store: BlobStore
  readonly transfers: Transfers
  readonly post: Post
  readonly images: ImageSource
  readonly orders: Pick<Orders, 'specOf'>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

/** What is known of a job beside its row. */
interface Known {
  readonly region: RegionJob
  /** What regions say; of this cache's own, what its head says. */
  readonly tallies: Map<string, Tally>
  readonly rate: RateWindow
  /** What was last told to other caches. */
  toldTallies: string
  toldOriginBytes: number
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
  readonly #stop = new AbortController()
  readonly #startedAt: number
  #wake = Promise.withResolvers<void>()
  #loop: Promise<void> | undefined
  #recalling: Promise<void> | undefined
  #sweptAt: number

  constructor(deps: DeskDeps) {
    this.#deps = deps
    this.book = new JobBook(deps.store)
    this.#origin = new OriginAccount({ ...deps, book: this.book, counts: this.#self.role === 'cache' })
    this.#replicas = new Replicas(deps)
    this.#standings = new Standings({ ...deps, book: this.book })
    this.#startedAt = deps.clock.now()
    this.#sweptAt = this.#startedAt
  }

  async start(): Promise<void> {
    await this.book.load()
    const rows = this.book.all()
    for (const row of rows) this.#open(row)
    const live = rows.filter((row) => isLive(row, this.#deps.now()))
    for (const { id } of live) await this.#recall(id)
    // a week of large jobs is read for a minute: nobody waits for what is only to be looked at
    this.#recalling = this.#recallAll(rows.filter((row) => !live.includes(row)))
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
      const isRoot = row.root === this.#self.region && this.#rank(row.id) === 0 && !this.#isAbove(peer)
      const grown = isRoot ? withRegion(row, peer.region, this.#deps.now()) : undefined
      if (grown !== undefined) void this.accept(grown)
      if (!this.#isAbove(peer)) this.#tellRow(peer, row)
      this.#tellTallies(row, [peer])
      if (this.#isNear(peer)) this.#tellOriginBytes(row.id, [peer])
    }
  }

  unlinked({ peer }: PeerLink): void {
    this.roll.forget(peer.key)
    for (const { region } of this.#jobs.values()) region.unlinked(peer.key)
  }

  letter(from: PeerInfo, letter: Letter): void {
    const isCache = from.role === 'cache'
    const isNear = this.#isNear(from)
    switch (letter.kind) {
      case 'host':
        if (isNear && this.roll.note(from, letter.facts)) this.#soon()
        return
      case 'report':
        if (isNear) this.#report(from, letter.job, letter.report)
        return
      case 'checkIn':
        if (isNear) this.#standings.answer(from.key, letter.job)
        return
      case 'row':
        if (isCache && (isNear || this.#isAbove(from))) void this.#hear(from, letter.row)
        return
      case 'roster':
        if (isCache && isNear) this.#roster(letter.job, letter.first, letter.hosts)
        return
      case 'tally':
        if (isCache && (isNear || letter.region !== this.#self.region)) this.#tallied(letter)
        return
      case 'fetched':
        if (isCache && isNear) this.#jobs.get(letter.job)?.region.fetched(from.key, letter.originBytes)
        return
      default:
        return
    }
  }

  /** A row of another cache is taken over when the job's own orders say what it says. */
  async #hear(from: PeerInfo, row: JobRow): Promise<void> {
    if (!this.book.wants(row)) return
    const spec = this.#deps.orders.specOf(row, this.book.get(row.id)?.orders)
    if (spec !== undefined) return this.accept({ ...row, spec })
    this.#deps.logger.warn({ job: row.id, peer: from.key }, 'a job without an order that counts here was dropped')
  }

  /** Takes over a newer row and tells the other caches; resolves when it is on the disk. Never rejects. */
  async accept(row: JobRow): Promise<void> {
    const { kept, written } = this.book.put(row)
    if (!kept) return
    const known = this.#jobs.get(row.id)
    if (known === undefined) this.#open(row)
    else known.region.update(row)
    for (const { peer } of this.#deps.post.caches((peer) => !this.#isAbove(peer))) this.#tellRow(peer, row)
    this.#soon()
    await this.#safely(written, 'a prewarm job cannot be written')
    // who takes part is who is here when the job begins, not a moment later
    if (known === undefined && !isFinal(row.state)) await this.#safely(this.#drive(row), 'a prewarm job does not begin')
  }

  /** What regions say of a job, this one included. */
  tallies(id: string): Map<string, Tally> {
    const known = this.#jobs.get(id)
    const all = new Map(known?.tallies)
    const row = this.book.get(id)
    const own = known?.region.tally()
    // a region that takes no part counts when it has read the origin for others
    const helps = row?.shares[this.#self.region] === undefined && own !== undefined && own.originBytes > 0
    if (own === undefined || (known?.region.hasRoster !== true && !helps)) return all
    const told = all.get(this.#self.region)
    // hosts report to the job's head and its stand-in; the others know what the head says, and who was away, too
    const knowsBest = told === undefined || (this.#rank(id) < 2 && row !== undefined && !isFinal(row.state))
    return all.set(this.#self.region, knowsBest || own.haveBytes >= told.haveBytes ? own : told)
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

  #isAbove(peer: PeerInfo): boolean {
    return this.#deps.tier.isParentRegion(peer.region)
  }

  #isNear(peer: PeerInfo): boolean {
    return peer.region === this.#self.region
  }

  /** This cache's place among the homes of a job: 0 is its head, 1 the stand-in. */
  #rank(id: string): number {
    return this.#deps.tier.homes(homeKeyOf(id)).findIndex(({ kind }) => kind === 'self')
  }

  async #recallAll(rows: readonly JobRow[]): Promise<void> {
    for (const { id } of rows) {
      if (this.#stop.signal.aborted) return
      await this.#safely(this.#recall(id), 'the hosts of a job cannot be read')
    }
  }

  /** What this cache's disk says of a job's hosts. */
  async #recall(id: string): Promise<void> {
    const { roster, ended, originBytes } = await this.book.hosts(id)
    const region = this.#jobs.get(id)?.region
    this.#origin.restore(id, originBytes)
    if (roster !== undefined) region?.learnRoster(roster)
    for (const [key, report] of ended) region?.restore({ key, name: key }, report)
  }

  #open(row: JobRow): void {
    const { clock, post, now } = this.#deps
    const known: Known = {
      region: new RegionJob(row, { clock, post, now, roll: this.roll }),
      ...{ tallies: new Map(), rate: new RateWindow(clock), toldTallies: '', toldOriginBytes: 0 },
    }
    this.#jobs.set(row.id, known)
    this.#origin.add(row)
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
    void this.#safely(this.book.saveEnded(id, from.key, report), 'how a host ended cannot be written')
  }

  #roster(id: string, first: number, hosts: readonly RosterEntry[]): void {
    if (this.#jobs.get(id)?.region.learnRoster(hosts) !== true) return
    void this.#safely(this.book.saveRoster(id, first, hosts), 'the hosts of a job cannot be written')
  }

  #tallied({ job, region, tally }: Extract<Letter, { kind: 'tally' }>): void {
    this.#jobs.get(job)?.tallies.set(region, tally)
    this.#soon()
  }

  #tellRow(peer: PeerInfo, row: JobRow): void {
    this.#deps.post.send(peer.key, { kind: 'row', row })
    const job = this.#jobs.get(row.id)?.region
    if (this.#isNear(peer) && job?.hasRoster === true)
      this.#deps.post.sendRoster([peer], { job: row.id, first: 0, hosts: job.roster })
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
    if (this.#deps.clock.now() - this.#sweptAt > SWEEP_MS) await this.#sweep()
  }

  /** For a while hosts that come back must still be told that the job is over. */
  #endedJustNow({ changedEpochMs }: JobRow): boolean {
    return this.#deps.now() - changedEpochMs < SWEEP_MS
  }

  async #drive(row: JobRow): Promise<void> {
    const known = this.#jobs.get(row.id)
    const share = row.shares[this.#self.region]
    if (known === undefined) return
    const isHead = this.#rank(row.id) === 0
    // the caches of a region read from origins in equal parts, also for those below it alone
    const { originRateBytesPerSec } = share ?? row.spec
    this.#origin.setRate(row.id, Math.ceil(originRateBytesPerSec / (1 + this.#others.length)))
    if (share !== undefined) {
      if (this.#self.role === 'cache') this.#replicas.follow(row)
      if (isHead) this.#step(row, known.region)
    }
    this.#tellOriginBytes(row.id)
    const tallies = this.tallies(row.id)
    known.rate.add([...tallies.values()].reduce((sum, { haveBytes }) => sum + haveBytes, 0))
    this.#tellTallies(row)
    const next = isHead && row.root === this.#self.region ? advanceJob(row, tallies, this.#deps.now()) : undefined
    if (next === undefined) return
    if (next.state !== row.state) {
      this.#deps.logger.info({ job: row.id, state: next.state, reason: next.reason }, 'a prewarm job has ended')
    }
    await this.accept(next)
  }

  /** Caches of this region, without this one. */
  get #others(): PeerInfo[] {
    return this.#deps.post.caches((peer) => this.#isNear(peer)).map(({ peer }) => peer)
  }

  #step({ id, shares, createdEpochMs }: JobRow, job: RegionJob): void {
    const { clock, now } = this.#deps
    const isSettled = clock.now() - this.#startedAt > SETTLE_MS || createdEpochMs > now() - SETTLE_MS
    if (!job.hasRoster && !isSettled) return
    const added = job.step(shares[this.#self.region]!)
    if (added === undefined) return
    void this.#safely(this.book.saveRoster(id, added.first, added.hosts), 'the hosts of a job cannot be written')
    this.#deps.post.sendRoster(this.#others, { job: id, ...added })
  }

  /**
   * Regions above hear of all regions, of this one from its head. Those of this region's caches that hosts do not report to
   * hear of it from the head as well. To all of them what changed, or to `peers` what is known.
   */
  #tellTallies({ id, root }: JobRow, peers?: readonly PeerInfo[]): void {
    const { post, tier } = this.#deps
    const known = this.#jobs.get(id)
    const { region } = this.#self
    const tallies = this.tallies(id)
    const isHead = this.#rank(id) === 0
    const above = root === region ? [] : tier.parents(homeKeyOf(id)).map(({ peer }) => peer)
    const others = this.#others
    const to = peers ?? [...above, ...(isHead && others.length > 1 ? others : [])]
    const said = JSON.stringify([to.map(({ key }) => key), [...tallies]])
    if (known === undefined || (peers === undefined && known.toldTallies === said)) return
    if (peers === undefined) known.toldTallies = said
    for (const peer of to) {
      for (const [of, tally] of tallies) {
        const isWanted = this.#isNear(peer) ? of === region : this.#isAbove(peer) && (of !== region || isHead)
        if (isWanted) post.send(peer.key, { kind: 'tally', job: id, region: of, tally })
      }
    }
  }

  /** What this cache read from origins counts at every cache of the region, so that any of them can be head. */
  #tellOriginBytes(id: string, peers?: readonly PeerInfo[]): void {
    const known = this.#jobs.get(id)
    const originBytes = this.#origin.bytes(id)
    known?.region.fetched(this.#self.key, originBytes)
    if (known === undefined || (peers === undefined && known.toldOriginBytes === originBytes)) return
    if (peers === undefined) {
      known.toldOriginBytes = originBytes
      void this.#safely(this.book.saveFetched(id, originBytes), 'what was read for a job cannot be written')
    }
    for (const { key } of peers ?? this.#others) this.#deps.post.send(key, { kind: 'fetched', job: id, originBytes })
  }

  async #sweep(): Promise<void> {
    this.#sweptAt = this.#deps.clock.now()
    for (const row of this.book.expired(this.#deps.now())) {
      this.#jobs.delete(row.id)
      this.#origin.delete(row)
      await this.#safely(this.book.forget(row.id), 'an old job cannot be forgotten')
    }
  }

  async #safely(work: Promise<void>, what: string): Promise<void> {
    try {
      await work
    } catch (error) {
      this.#deps.logger.warn({ err: errorText(error) }, what)
    }
  }
}

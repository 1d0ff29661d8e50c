import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { RateLimiter } from '../base/rate-limiter.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobStore } from '../store/index.ts'
import type { PeerInfo, PeerLink } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import { HostRoll } from './host-roll.ts'
import type { HostReport, HostView, ImageSource, JobRow, Tally } from './interface.ts'
import { advanceJob, isFinal, isOpen } from './job.ts'
import { JobBook } from './job-book.ts'
import type { RosterEntry } from './ledger.ts'
import type { Letter } from './letters.ts'
import type { Post } from './post.ts'
import { RegionJob } from './region-job.ts'
import { Replicas } from './replicas.ts'
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
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

export function homeKeyOf(job: string): string {
  return `prewarm:${job}`
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
  readonly #jobs = new Map<string, RegionJob>()
  /** What regions say, by job and region; this region's own is made when needed. */
  readonly #tallies = new Map<string, Map<string, Tally>>()
  readonly #rates = new Map<string, RateWindow>()
  readonly #sentUp = new Map<string, string>()
  /** Jobs by the blobs whose bytes from origins are counted for them. */
  readonly #counted = new Map<Digest, Set<string>>()
  readonly #fetched = new Map<string, number>()
  readonly #fetchedTold = new Map<string, number>()
  /** By job: what this cache may read from origins for it. */
  readonly #originLimits = new Map<string, RateLimiter>()
  readonly #replicas: Replicas
  readonly #stop = new AbortController()
  readonly #startedAt: number
  #wake = Promise.withResolvers<void>()
  #loop: Promise<void> | undefined
  #listening: Disposable | undefined
  #sweptAt: number

  constructor(deps: DeskDeps) {
    this.#deps = deps
    this.book = new JobBook(deps.store)
    this.#replicas = new Replicas(deps)
    this.#startedAt = deps.clock.now()
    this.#sweptAt = this.#startedAt
  }

  async start(): Promise<void> {
    await this.book.load()
    for (const row of this.book.all()) await this.#open(row)
    this.#listening = this.#deps.transfers.listen((digest, from, bytes) => {
      if (from === 'origin') this.#count(digest, bytes)
    })
    this.#deps.transfers.paceOrigin((digest) => this.#originPace(digest))
    this.#loop ??= this.#run().catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening?.[Symbol.dispose]()
    this.#deps.transfers.paceOrigin(undefined)
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    await this.#replicas[Symbol.asyncDispose]()
    await this.#loop
  }

  /** Another cache hears of all jobs at once. */
  linked({ peer }: PeerLink): void {
    if (peer.role !== 'cache' || this.#isAbove(peer)) return
    for (const row of this.book.all()) this.#tellCache(peer, row)
  }

  unlinked({ peer }: PeerLink): void {
    this.roll.forget(peer.key)
    for (const job of this.#jobs.values()) job.relinked(peer.key)
  }

  letter(from: PeerInfo, letter: Letter): void {
    const isOurs = from.region === this.#deps.post.self.region
    const isCache = from.role === 'cache'
    switch (letter.kind) {
      case 'host':
        if (isOurs && this.roll.note(from, letter.facts)) this.#soon()
        return
      case 'report':
        if (isOurs) this.#report(from, letter.job, letter.report)
        return
      case 'row':
        if (isCache) void this.accept(letter.row)
        return
      case 'roster':
        if (isCache && isOurs) this.#roster(letter.job, letter.first, letter.hosts)
        return
      case 'tally':
        if (isCache) this.#tallied(letter.job, letter.region, letter.tally)
        return
      case 'fetched':
        if (isCache && isOurs) this.#jobs.get(letter.job)?.fetched(from.key, letter.originBytes)
        return
      case 'task':
        return
    }
  }

  /** Takes over a newer row and tells the other caches; answers when it is on the disk. Never rejects. */
  async accept(row: JobRow): Promise<void> {
    const { kept, written } = this.book.put(row)
    if (!kept) return
    const known = this.#jobs.get(row.id)
    if (known === undefined) this.#opened(row, new RegionJob(row, this.#jobDeps()))
    else known.update(row)
    for (const { peer } of this.#deps.post.caches((peer) => !this.#isAbove(peer))) this.#tellCache(peer, row)
    this.#soon()
    await this.#safely(written, 'a prewarm job cannot be written')
    // who takes part is who is here when the job begins, not a moment later
    if (known === undefined && !isFinal(row.state)) await this.#safely(this.#drive(row), 'a prewarm job does not begin')
  }

  /** What regions say of a job, this one included. */
  tallies(id: string): Map<string, Tally> {
    const all = new Map(this.#tallies.get(id))
    const job = this.#jobs.get(id)
    const { region } = this.#deps.post.self
    if (job?.hasRoster === true) all.set(region, job.tally())
    return all
  }

  /** This region's part in the jobs that run and that this cache is head of. */
  headTallies(): Tally[] {
    const live = this.book.all().filter(({ id, state }) => !isFinal(state) && this.#isHead(id))
    return live.flatMap(({ id }) => this.tallies(id).get(this.#deps.post.self.region) ?? [])
  }

  bytesPerSec(id: string): number {
    return this.#rates.get(id)?.bytesPerSec ?? 0
  }

  hostViews(id: string): HostView[] {
    return this.#jobs.get(id)?.views(this.#deps.post.self.region) ?? []
  }

  /** Linked caches of regions below this one, best first for `key`, by region. */
  below(key: string): Map<string, PeerLink[]> {
    const { post, tier } = this.#deps
    const regions = new Map<string, PeerLink[]>()
    for (const link of post.caches((peer) => peer.region !== post.self.region && !this.#isAbove(peer))) {
      regions.set(link.peer.region, [...(regions.get(link.peer.region) ?? []), link])
    }
    for (const [region, links] of regions) regions.set(region, tier.ranked(key, links))
    return regions
  }

  #jobDeps(): ConstructorParameters<typeof RegionJob>[1] {
    const { clock, post, now } = this.#deps
    return { clock, post, now, roll: this.roll }
  }

  async #open(row: JobRow): Promise<void> {
    const job = new RegionJob(row, this.#jobDeps())
    const { roster, ended, fetched } = await this.book.hosts(row.id)
    if (roster !== undefined) job.learnRoster(roster)
    for (const [key, report] of ended) job.report({ key, name: key }, report)
    this.#fetched.set(row.id, fetched)
    this.#opened(row, job)
  }

  #opened(row: JobRow, job: RegionJob): void {
    this.#jobs.set(row.id, job)
    this.#rates.set(row.id, new RateWindow(this.#deps.clock))
    for (const { digest } of row.plan.blobs) {
      const jobs = this.#counted.get(digest) ?? new Set()
      this.#counted.set(digest, jobs.add(row.id))
    }
  }

  #forget(id: string): void {
    for (const { digest } of this.book.get(id)?.plan.blobs ?? []) {
      this.#counted.get(digest)?.delete(id)
      if (this.#counted.get(digest)?.size === 0) this.#counted.delete(digest)
    }
    this.#originLimits.delete(id)
    for (const map of [this.#jobs, this.#tallies, this.#rates, this.#sentUp, this.#fetched, this.#fetchedTold]) {
      map.delete(id)
    }
  }

  #report(from: PeerInfo, id: string, report: HostReport): void {
    const job = this.#jobs.get(id)
    if (job === undefined) return
    const name = this.roll.nameOf(from.key) ?? from.addresses[0] ?? from.key
    const wasEnded = job.ended(from.key)
    if (!job.report({ key: from.key, name }, report)) return
    if (!job.ended(from.key)) return
    if (!wasEnded) this.#soon()
    void this.#safely(this.book.saveEnded(id, from.key, report), 'how a host ended cannot be written')
  }

  #roster(id: string, first: number, hosts: readonly RosterEntry[]): void {
    if (this.#jobs.get(id)?.learnRoster(hosts) !== true) return
    void this.#safely(this.book.saveRoster(id, first, hosts), 'the hosts of a job cannot be written')
  }

  #tallied(id: string, region: string, tally: Tally): void {
    if (this.book.get(id) === undefined) return
    const known = this.#tallies.get(id) ?? new Map<string, Tally>()
    this.#tallies.set(id, known.set(region, tally))
    this.#soon()
  }

  #count(digest: Digest, bytes: number): void {
    for (const id of this.#counted.get(digest) ?? []) this.#fetched.set(id, (this.#fetched.get(id) ?? 0) + bytes)
  }

  #originPace(digest: Digest): RateLimiter | undefined {
    for (const id of this.#counted.get(digest) ?? []) {
      if (this.book.get(id)?.state === 'running') return this.#originLimits.get(id)
    }
    return undefined
  }

  /** The caches of a region read from origins in equal parts. */
  #limitOrigin({ id, shares }: JobRow): void {
    const { post, clock } = this.#deps
    const { region } = post.self
    const rate = shares[region]?.originRateBytesPerSec ?? 0
    const part = Math.ceil(rate / (1 + post.caches((peer) => peer.region === region).length))
    const known = this.#originLimits.get(id)
    if (known === undefined) this.#originLimits.set(id, new RateLimiter(clock, part))
    else if (known.bytesPerSec !== part) known.setRate(part)
  }

  #isAbove(peer: PeerInfo): boolean {
    return this.#deps.tier.isParentRegion(peer.region)
  }

  #tellCache(peer: PeerInfo, row: JobRow): void {
    const { post } = this.#deps
    post.send(peer.key, { kind: 'row', row })
    const job = this.#jobs.get(row.id)
    if (peer.region !== post.self.region || job?.hasRoster !== true) return
    post.send(peer.key, { kind: 'roster', job: row.id, first: 0, hosts: job.roster })
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
    const { now } = this.#deps
    for (const row of this.book.all()) {
      const isLive = !isFinal(row.state) || isOpen(row, now()) || this.#endedJustNow(row)
      if (isLive) await this.#drive(row)
    }
    if (this.#deps.clock.now() - this.#sweptAt > SWEEP_MS) await this.#sweep()
  }

  /** For a while hosts that come back must still be told that the job is over. */
  #endedJustNow({ endedEpochMs }: JobRow): boolean {
    return endedEpochMs !== null && this.#deps.now() - endedEpochMs < SWEEP_MS
  }

  async #drive(row: JobRow): Promise<void> {
    const { post, clock } = this.#deps
    const { region } = post.self
    const job = this.#jobs.get(row.id)
    const share = row.shares[region]
    const isHead = this.#isHead(row.id)
    if (post.self.role === 'cache' && share !== undefined) this.#replicas.follow(row)
    this.#tellFetched(row.id)
    this.#limitOrigin(row)
    if (job !== undefined && share !== undefined && isHead) {
      const isSettled = job.hasRoster || clock.now() - this.#startedAt > SETTLE_MS
      const added = isSettled || row.createdEpochMs > this.#deps.now() - SETTLE_MS ? job.step(share) : undefined
      if (added !== undefined) this.#chosen(row.id, added.first, added.hosts)
    }
    const tallies = this.tallies(row.id)
    this.#rates.get(row.id)?.add([...tallies.values()].reduce((sum, { haveBytes }) => sum + haveBytes, 0))
    if (row.root !== region) return this.#tellAbove(row.id, tallies, isHead)
    const next = isHead ? advanceJob(row, tallies, this.#deps.now()) : undefined
    if (next === undefined) return
    if (next.state !== row.state) {
      this.#deps.logger.info({ job: row.id, state: next.state, reason: next.reason }, 'a prewarm job has ended')
    }
    await this.accept(next)
  }

  #chosen(id: string, first: number, hosts: readonly RosterEntry[]): void {
    void this.#safely(this.book.saveRoster(id, first, hosts), 'the hosts of a job cannot be written')
    const { post } = this.#deps
    for (const { peer } of post.caches((one) => one.region === post.self.region)) {
      post.send(peer.key, { kind: 'roster', job: id, first, hosts })
    }
  }

  #isHead(id: string): boolean {
    return this.#deps.tier.homes(homeKeyOf(id))[0]?.kind === 'self'
  }

  /** The regions above hear what changed: of this region from its head, of those below from whoever is told. */
  #tellAbove(id: string, tallies: ReadonlyMap<string, Tally>, isHead: boolean): void {
    const { post, tier } = this.#deps
    const parents = tier.parents(homeKeyOf(id))
    const said = JSON.stringify([parents.map(({ peer }) => peer.key), [...tallies]])
    if (this.#sentUp.get(id) === said) return
    this.#sentUp.set(id, said)
    for (const [region, tally] of tallies) {
      if (region === post.self.region && !isHead) continue
      for (const { peer } of parents) post.send(peer.key, { kind: 'tally', job: id, region, tally })
    }
  }

  /** What this cache read from origins counts at every cache of the region, so that any of them can be head. */
  #tellFetched(id: string): void {
    const { post } = this.#deps
    const originBytes = this.#fetched.get(id) ?? 0
    this.#jobs.get(id)?.fetched(post.self.key, originBytes)
    if (originBytes === (this.#fetchedTold.get(id) ?? 0)) return
    this.#fetchedTold.set(id, originBytes)
    void this.#safely(this.book.saveFetched(id, originBytes), 'what was read for a job cannot be written')
    for (const { peer } of post.caches((one) => one.region === post.self.region)) {
      post.send(peer.key, { kind: 'fetched', job: id, originBytes })
    }
  }

  async #sweep(): Promise<void> {
    this.#sweptAt = this.#deps.clock.now()
    for (const id of this.book.expired(this.#deps.now())) {
      this.#forget(id)
      await this.#safely(this.book.forget(id), 'an old job cannot be forgotten')
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

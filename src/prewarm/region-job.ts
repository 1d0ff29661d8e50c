import type { Clock } from '../base/clock.ts'
import { rankHomes } from '../scheduler/index.ts'
import type { HostRoll } from './host-roll.ts'
import { MAX_HOSTS } from './host-roll.ts'
import type { HostReport, HostView, JobRow, Plan, Share, Tally } from './interface.ts'
import { closedShare, isFinal, isOpen, joinsUntil, pinnedUntil } from './job.ts'
import type { RosterEntry } from './ledger.ts'
import { Ledger } from './ledger.ts'
import type { Task } from './letters.ts'
import { encodeLetter } from './letters.ts'
import type { Post } from './post.ts'
import { Silence } from './silence.ts'

/** A host that has not answered for so long is told again. Linked all the while it is busy rather than without the letter. */
const REPEAT_MS = 15_000
/**
 * Letters with tasks leave at this pace, after as much at once: thousands of hosts told in one turn of the event loop,
 * 100 KB each for a thousand blobs, held up the cache until links were taken for dead.
 */
const TASK_BYTES_PER_MS = 32 * 1024
const TASK_BYTES_AT_ONCE = 16 * 1024 * 1024
/** So is one that has answered and then says nothing for so long: it may have lost its task with its power. */
const SILENT_MS = 60_000
/** Hosts' rates follow the number of those at work in steps of this part, so that they are not told every second. */
const RATE_STEP = 0.1
const NOBODY_NEW = closedShare(0)

export interface RegionJobDeps {
  readonly clock: Clock
  readonly post: Post
  readonly roll: HostRoll
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  /** How long a host may be away; see Silence. */
  readonly goneMs?: number | undefined
}

interface Told {
  readonly revision: number
  readonly rateBytesPerSec: number
  /** When that was, or when the host last spoke. */
  at: number
}

/**
 * One job in this cache's region: which hosts take part and in which order, what each has been told, how far it is.
 * Every cache of the region that hears of the job keeps one; only the job's head (`step`) tells hosts what to do.
 */
export class RegionJob {
  readonly #deps: RegionJobDeps
  readonly #ledger: Ledger
  readonly #told = new Map<string, Told>()
  readonly #silence: Silence
  /** Hosts that were judged for not answering though they are linked: taken back when they speak, not when they link. */
  readonly #deaf = new Set<string>()
  /** What the region's caches read from origins, by cache. */
  readonly #fetched = new Map<string, number>()
  #row: JobRow
  #hasRoster = false
  #rateBytesPerSec = 0
  /** What may be sent of tasks now, and when that was so. */
  #roomBytes = TASK_BYTES_AT_ONCE
  #roomAt: number
  /** As the last step was given it. */
  #plan: Plan | undefined
  #encoded: { readonly task: Task; readonly body: Uint8Array } | undefined

  constructor(row: JobRow, deps: RegionJobDeps) {
    this.#row = row
    this.#deps = deps
    this.#ledger = new Ledger(row.plan)
    this.#silence = new Silence(deps.clock, deps)
    this.#roomAt = deps.clock.now()
  }

  get hasRoster(): boolean {
    return this.#hasRoster
  }

  get roster(): readonly RosterEntry[] {
    return this.#ledger.entries()
  }

  update(row: JobRow): void {
    this.#row = row
  }

  /** Hosts in their order, from this cache's disk or from another's. Answers whether one of them is new. */
  learnRoster(hosts: readonly RosterEntry[]): boolean {
    this.#hasRoster = true
    return hosts.filter((host) => this.#ledger.add(host)).length > 0
  }

  /**
   * Returns whether anything changed. A host that is in no roster here takes part all the same, another head may have told
   * it to; but only where it could have been chosen, so that nobody swells a job by speaking of it.
   */
  report(entry: RosterEntry, report: HostReport): boolean {
    const isNew = !this.#ledger.has(entry.key)
    if (isNew && !this.#couldTake(entry.key)) return false
    this.#ledger.add(entry)
    this.#silence.spoke(entry.key)
    this.#deaf.delete(entry.key)
    const told = this.#told.get(entry.key)
    if (told !== undefined) told.at = this.#deps.clock.now()
    return this.#ledger.report(entry.key, report) || isNew
  }

  /** How a host ended, as this cache's disk says. */
  restore(entry: RosterEntry, report: HostReport): void {
    this.#ledger.add(entry)
    this.#ledger.report(entry.key, report)
  }

  ended(key: string): boolean {
    return this.#ledger.ended(key)
  }

  fetched(cache: string, bytes: number): void {
    this.#fetched.set(cache, Math.max(bytes, this.#fetched.get(cache) ?? 0))
  }

  /** Forgets the plan: the job has ended, and hosts are told no more than that. */
  release(): void {
    this.#plan = undefined
    this.#encoded = undefined
  }

  /** Hosts known. */
  get size(): number {
    return this.#ledger.size
  }

  /** A host is no longer linked: what it was told may be lost. */
  unlinked(key: string): void {
    this.#told.delete(key)
  }

  tally(): Tally {
    return this.#ledger.tally([...this.#fetched.values()].reduce((sum, bytes) => sum + bytes, 0))
  }

  views(region: string, first: number, most: number): HostView[] {
    return this.#ledger.views(region, first, most)
  }

  /** As the job's head in this region: chooses hosts, and tells them what to do. Answers hosts that are new in the order. */
  step(share: Share, plan: Plan): { readonly first: number; readonly hosts: readonly RosterEntry[] } | undefined {
    this.#plan = plan
    const first = this.#ledger.size
    const added = this.#choose(share)
    this.#rateBytesPerSec = this.#rate(share)
    if (isOpen(this.#row, this.#deps.now())) {
      this.#takeBack()
      const due = [...this.#ledger.due(share)]
      for (const { key } of due) this.#tell(key, 'news')
      // only then: those who are slow to answer must not keep others from hearing at all
      for (const { key } of due) this.#tell(key, 'again')
    } else this.#tellBegun()
    this.#tellEnded()
    return added ? { first, hosts: this.#ledger.entries().slice(first) } : undefined
  }

  /** The hosts there are when the job begins, in an order of the job's own; then those that join, while they may. */
  #choose({ select }: Share): boolean {
    const { roll, now } = this.#deps
    const isFirst = !this.#hasRoster
    if (isFinal(this.#row.state) && (isFirst || this.#row.state !== 'done')) return false
    if (!isFirst && now() >= joinsUntil(this.#row)) return false
    const room = select === null ? Number.POSITIVE_INFINITY : select - this.#ledger.size
    const fresh = new Map(roll.matching(this.#row.spec).map((host) => [host.key, host]))
    for (const { key } of this.#ledger.entries()) fresh.delete(key)
    const chosen = rankHomes(this.#row.id, [...fresh.keys()]).slice(0, Math.max(0, room))
    for (const key of chosen) this.#ledger.add({ key, name: fresh.get(key)?.name ?? key })
    this.#hasRoster = true
    return isFirst || chosen.length > 0
  }

  /** Whether a host of which no roster here tells may be one of the job's. */
  #couldTake(key: string): boolean {
    const { post, roll } = this.#deps
    const share = this.#row.shares[post.self.region]
    if (share === undefined || this.#ledger.size >= MAX_HOSTS) return false
    return (share.select === null || this.#ledger.size < share.select) && roll.matches(key, this.#row.spec)
  }

  /** `news`: only if the host has not been told this. */
  #tell(key: string, when: 'news' | 'again' = 'again'): void {
    const { post, clock } = this.#deps
    if (!post.reaches(key)) return this.#miss(key)
    if (this.#judge(key, true)) return
    const task = this.#task()
    if (task === undefined) return
    const { revision, rateBytesPerSec } = task
    const isAcked = this.#ledger.acked(key) >= revision
    let told = this.#told.get(key)
    // what an earlier head of the job told it, and it has answered, holds
    if (told === undefined && isAcked && rateBytesPerSec === this.#row.spec.rateBytesPerSec) {
      told = { revision, rateBytesPerSec, at: clock.now() }
      this.#told.set(key, told)
    }
    const isSame = told?.revision === revision && told.rateBytesPerSec === rateBytesPerSec
    if (isSame && (when === 'news' || clock.now() - told!.at < (isAcked ? SILENT_MS : REPEAT_MS))) return
    const body = this.#body(task)
    if (!this.#takeRoom(body.length)) return
    this.#ledger.begin(key)
    this.#told.set(key, { revision, rateBytesPerSec, at: clock.now() })
    this.#silence.told(key)
    post.send(key, { kind: 'task', task }, body)
  }

  /** Whether a letter may go now; if not, a later step sends it. */
  #takeRoom(bytes: number): boolean {
    const now = this.#deps.clock.now()
    this.#roomBytes = Math.min(TASK_BYTES_AT_ONCE, this.#roomBytes + (now - this.#roomAt) * TASK_BYTES_PER_MS)
    this.#roomAt = now
    if (this.#roomBytes <= 0) return false
    this.#roomBytes -= bytes
    return true
  }

  /** Paused or over: those at work must hear of it. */
  #tellBegun(): void {
    for (const { key } of this.#ledger.due(NOBODY_NEW)) {
      // who is not there hears of it when it comes back; who stops says nothing more
      const isTold = this.#told.get(key)?.revision === this.#row.taskRevision && isFinal(this.#row.state)
      if (!isTold && this.#deps.post.reaches(key)) this.#tell(key)
    }
  }

  /** Hosts that have done their part must hear of a change as well: their pins may end at another time now. */
  #tellEnded(): void {
    if (isFinal(this.#row.state)) return
    for (const { key } of this.#ledger.outdated(this.#row.taskRevision)) {
      if (this.#deps.post.reaches(key)) this.#tell(key)
    }
  }

  /** Hosts that were counted unreachable and are here again wait for their turn like any other. */
  #takeBack(): void {
    for (const key of this.#ledger.judged()) {
      if (this.#deps.post.reaches(key) && !this.#deaf.has(key)) this.#ledger.takeBack(key)
    }
  }

  #miss(key: string): void {
    this.#silence.missed(key)
    this.#judge(key, false)
  }

  /** A host that owes a word for too long has failed, until it speaks, or until it is linked when it was not. */
  #judge(key: string, isLinked: boolean): boolean {
    const verdict = this.#silence.verdict(key, isLinked, this.#ledger.acked(key) > 0)
    if (verdict === undefined) return false
    if (verdict === 'does not answer') this.#deaf.add(key)
    this.#ledger.fail(key, verdict)
    return true
  }

  #task(): Task | undefined {
    const { id, spec, state, taskRevision, createdEpochMs } = this.#row
    const plan = this.#plan
    if (plan === undefined) return undefined
    return {
      ...{ job: id, revision: taskRevision, plan, resolvedEpochMs: createdEpochMs, load: spec.load },
      state: state === 'paused' ? 'paused' : isOpen(this.#row, this.#deps.now()) ? 'running' : 'stopped',
      rateBytesPerSec: this.#rateBytesPerSec,
      pinUntilEpochMs: pinnedUntil(this.#row),
    }
  }

  /** What each host may take now: its own rate, and its part of the region's. */
  #rate({ rateBytesPerSec }: Share): number {
    const own = this.#row.spec.rateBytesPerSec
    if (rateBytesPerSec === 0) return own
    const part = Math.max(1, Math.floor(rateBytesPerSec / Math.max(1, this.#ledger.working)))
    const wanted = own === 0 ? part : Math.min(own, part)
    const before = this.#rateBytesPerSec
    return before > 0 && Math.abs(wanted - before) <= before * RATE_STEP ? before : wanted
  }

  /** The letter as all hosts get it, encoded once. */
  #body(task: Task): Uint8Array {
    const known = this.#encoded?.task
    const isSame = (['revision', 'rateBytesPerSec', 'state'] as const).every((key) => known?.[key] === task[key])
    if (!isSame) this.#encoded = { task, body: encodeLetter({ kind: 'task', task }) }
    return this.#encoded!.body
  }
}

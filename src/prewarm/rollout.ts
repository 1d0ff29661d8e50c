import type { Clock } from '../base/clock.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import { encodeMessage, MAX_HOSTS } from '../orders/index.ts'
import { rankHomes } from '../scheduler/index.ts'
import { AddressCrowds } from './address-crowds.ts'
import type { HostReport, HostView, JobRow, Plan, Share, Tally } from './interface.ts'
import type { Inventory } from './inventory.ts'
import { closedShare, isFinal, isOpen, joinsUntil, pinnedUntil } from './job.ts'
import type { LivenessVerdict } from './liveness.ts'
import { Liveness } from './liveness.ts'
import type { PrewarmMessages, Task } from './messages.ts'
import type { RosterEntry } from './progress.ts'
import { Progress } from './progress.ts'
import type { PrewarmMessenger } from './requests.ts'

/** A host that has not answered for this long is told again. If it was linked all the while, it is busy and has the message. */
const REPEAT_MS = 15_000
/**
 * Messages with tasks leave at this pace, after as much at once: thousands of hosts told in one turn of the event loop,
 * 100 KB each for a thousand blobs, held up the cache until links were taken for dead.
 */
const TASK_BYTES = { most: 16 * 1024 * 1024, perSec: 32 * 1024 * 1000, mostDebt: Number.POSITIVE_INFINITY }
/** So is one that has answered and then says nothing for this long: it may have lost its task with its power. */
const SILENT_MS = 60_000
/** Hosts' rates follow the number of those at work in steps of this part, so that they are not told every second. */
const RATE_STEP = 0.1
const NOBODY_NEW = closedShare(0)
const NEVER_ANSWERED: Readonly<Record<LivenessVerdict, string>> = {
  'does not answer': 'set aside: has never answered',
  'not reachable': 'set aside: has never answered, and is not reachable',
}

interface RolloutDeps {
  readonly clock: Clock
  readonly messenger: PrewarmMessenger
  readonly inventory: Inventory
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
 * Every cache of the region that hears of the job keeps one; only the job's leader (`step`) tells hosts what to do.
 */
export class Rollout {
  readonly #deps: RolloutDeps
  readonly #progress: Progress
  readonly #told = new Map<string, Told>()
  readonly #liveness: Liveness
  readonly #crowds = new AddressCrowds()
  /** Hosts that were judged for not answering though they are linked: taken back when they speak, not when they link. */
  readonly #deaf = new Set<string>()
  /** What the region's caches read from origins, by cache. */
  readonly #fetched = new Map<string, number>()
  #row: JobRow
  #hasRoster = false
  #rateBytesPerSec = 0
  /** Whether a host holds up nobody: it is not there, or has not answered for too long. */
  readonly #isIdle = (key: string): boolean =>
    !this.#deps.messenger.reaches(key) || this.#liveness.isOverdue(key) || this.#isOneOfMany(key)
  /** What may be sent of tasks now, and when that was so. */
  readonly #room: TokenBucket
  /** As the last step was given it. */
  #plan: Plan | undefined
  #encoded: { readonly task: Task; readonly body: Uint8Array } | undefined

  constructor(row: JobRow, deps: RolloutDeps) {
    this.#row = row
    this.#deps = deps
    this.#progress = new Progress(row.plan, deps.clock)
    this.#liveness = new Liveness(deps.clock, deps)
    this.#room = new TokenBucket(deps.clock, TASK_BYTES)
  }

  get hasRoster(): boolean {
    return this.#hasRoster
  }

  get roster(): readonly RosterEntry[] {
    return this.#progress.entries()
  }

  update(row: JobRow): void {
    this.#row = row
  }

  /** Hosts in their order, from this cache's disk or from another's. Returns whether one of them is new. */
  learnRoster(hosts: readonly RosterEntry[]): boolean {
    this.#hasRoster = true
    return hosts.filter((host) => this.#progress.add(host)).length > 0
  }

  /**
   * Returns whether anything changed. A host that is in no roster here takes part all the same, another leader may have told
   * it to; but only where it could have been chosen, so that nobody swells a job by speaking of it.
   */
  report(entry: RosterEntry, report: HostReport): boolean {
    const isNew = !this.#progress.has(entry.key)
    if (isNew && !this.#couldTake(entry.key)) return false
    this.#progress.add(entry)
    this.#liveness.spoke(entry.key)
    this.#crowds.answered(entry.key, this.#remoteOf(entry.key))
    this.#deaf.delete(entry.key)
    const told = this.#told.get(entry.key)
    if (told !== undefined) told.at = this.#deps.clock.now()
    return this.#progress.report(entry.key, report) || isNew
  }

  /** How a host ended, as this cache's disk says. */
  restore(entry: RosterEntry, report: HostReport): void {
    this.#progress.add(entry)
    this.#progress.restore(entry.key, report)
  }

  ended(key: string): boolean {
    return this.#progress.ended(key)
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
    return this.#progress.size
  }

  /** A host is no longer linked: what it was told may be lost. */
  unlinked(key: string): void {
    this.#told.delete(key)
  }

  tally(): Tally {
    return this.#progress.tally([...this.#fetched.values()].reduce((sum, bytes) => sum + bytes, 0))
  }

  views(region: string, first: number, most: number): HostView[] {
    return this.#progress.views(region, first, most)
  }

  /** As the job's leader in this region: chooses hosts, and tells them what to do. Returns hosts that are new in the order. */
  step(share: Share, plan: Plan): { readonly first: number; readonly hosts: readonly RosterEntry[] } | undefined {
    this.#plan = plan
    const first = this.#progress.size
    const added = this.#choose(share)
    this.#rateBytesPerSec = this.#rate(share)
    if (isOpen(this.#row, this.#deps.clock.wall())) {
      this.#takeBack()
      const due = [...this.#progress.due(share, this.#isIdle)]
      for (const { key } of due) this.#tell(key, 'news')
      // only then: those who are slow to answer must not keep others from hearing at all
      for (const { key } of due) this.#tell(key, 'again')
    } else this.#tellBegun()
    this.#tellEnded()
    return added ? { first, hosts: this.#progress.entries().slice(first) } : undefined
  }

  /** The hosts there are when the job begins, in an order of the job's own; then those that join, while they may. */
  #choose({ select }: Share): boolean {
    const { inventory, clock } = this.#deps
    const isFirst = !this.#hasRoster
    if (isFinal(this.#row.state) && (isFirst || this.#row.state !== 'done')) return false
    const room = select === null ? Number.POSITIVE_INFINITY : select - (this.#progress.size - this.#progress.aside)
    // a host that never answers leaves its place to one that is here
    const isShort = !isFinal(this.#row.state) && select !== null && this.#progress.aside > 0 && room > 0
    if (!isFirst && !isShort && clock.wall() >= joinsUntil(this.#row)) return false
    const fresh = new Map(inventory.matching(this.#row.spec).map((host) => [host.key, host]))
    for (const { key } of this.#progress.entries()) fresh.delete(key)
    const chosen = rankHomes(this.#row.id, [...fresh.keys()]).slice(0, Math.max(0, room))
    for (const key of chosen) this.#progress.add({ key, name: fresh.get(key)?.name ?? key })
    this.#hasRoster = true
    return isFirst || chosen.length > 0
  }

  /** Whether a host of which no roster here tells may be one of the job's. */
  #couldTake(key: string): boolean {
    const { messenger, inventory } = this.#deps
    const share = this.#row.shares[messenger.self.region]
    if (share === undefined || this.#progress.size >= MAX_HOSTS) return false
    const isFree = share.select === null || this.#progress.size - this.#progress.aside < share.select
    return isFree && inventory.matches(key, this.#row.spec)
  }

  /** `news`: only if the host has not been told this. */
  #tell(key: string, when: 'news' | 'again' = 'again'): void {
    const { messenger, clock } = this.#deps
    if (!messenger.reaches(key)) return this.#miss(key)
    if (this.#judge(key, true)) return
    const task = this.#task()
    if (task === undefined) return
    const { revision, rateBytesPerSec } = task
    const isAcked = this.#progress.acked(key) >= revision
    let told = this.#told.get(key)
    // what an earlier leader of the job told it, and it has answered, holds
    if (told === undefined && isAcked && rateBytesPerSec === this.#row.spec.rateBytesPerSec) {
      told = { revision, rateBytesPerSec, at: clock.now() }
      this.#told.set(key, told)
    }
    const isSame = told?.revision === revision && told.rateBytesPerSec === rateBytesPerSec
    if (isSame && (when === 'news' || clock.now() - told!.at < (isAcked ? SILENT_MS : REPEAT_MS))) return
    const body = this.#body(task)
    if (!this.#takeRoom(body.length)) return
    this.#progress.begin(key)
    this.#told.set(key, { revision, rateBytesPerSec, at: clock.now() })
    this.#liveness.told(key)
    messenger.send(key, { kind: 'task', task }, body)
  }

  /** Whether a message may go now; if not, a later step sends it. */
  #takeRoom(bytes: number): boolean {
    if (this.#room.left <= 0) return false
    this.#room.take(bytes)
    return true
  }

  /** Paused or over: those at work must hear of it. */
  #tellBegun(): void {
    for (const { key } of this.#progress.due(NOBODY_NEW, () => false)) {
      // a host that is away hears of it when it comes back; one that stops says nothing more
      const isTold = this.#told.get(key)?.revision === this.#row.taskRevision && isFinal(this.#row.state)
      if (!isTold && this.#deps.messenger.reaches(key)) this.#tell(key)
    }
  }

  /** Hosts that have done their part must hear of a change as well: their pins may end at another time now. */
  #tellEnded(): void {
    if (isFinal(this.#row.state)) return
    for (const { key } of this.#progress.outdated(this.#row.taskRevision)) {
      if (this.#deps.messenger.reaches(key)) this.#tell(key)
    }
  }

  /** Hosts that were counted unreachable and are here again wait for their turn like any other. */
  #takeBack(): void {
    for (const key of this.#progress.judged()) {
      if (this.#deps.messenger.reaches(key) && !this.#deaf.has(key)) this.#progress.takeBack(key)
    }
  }

  #miss(key: string): void {
    this.#liveness.missed(key)
    this.#judge(key, false)
  }

  /**
   * A host that owes a word for too long has failed, until it speaks, or until it is linked when it was not. One that has
   * never said a word of the job is set aside: it may be a name and nothing else.
   */
  #judge(key: string, isLinked: boolean): boolean {
    const hasSpoken = this.#progress.acked(key) > 0
    const verdict =
      isLinked && this.#isOneOfMany(key) ? 'does not answer' : this.#liveness.verdict(key, isLinked, hasSpoken)
    if (verdict === undefined) return false
    if (verdict === 'does not answer') this.#deaf.add(key)
    if (hasSpoken) this.#progress.fail(key, verdict)
    else {
      this.#crowds.setAside(key, this.#remoteOf(key))
      this.#progress.setAside(key, NEVER_ANSWERED[verdict])
    }
    return true
  }

  /** Whether a host that has not answered is linked from where most do not. */
  #isOneOfMany(key: string): boolean {
    return this.#progress.acked(key) === 0 && this.#crowds.isSilent(this.#remoteOf(key))
  }

  #remoteOf(key: string): string | undefined {
    return this.#deps.messenger.linkTo(key)?.remote
  }

  #task(): Task | undefined {
    const { id, spec, state, taskRevision, createdEpochMs } = this.#row
    const plan = this.#plan
    if (plan === undefined) return undefined
    return {
      job: id,
      revision: taskRevision,
      plan,
      resolvedEpochMs: createdEpochMs,
      load: spec.load,
      state: state === 'paused' ? 'paused' : isOpen(this.#row, this.#deps.clock.wall()) ? 'running' : 'stopped',
      rateBytesPerSec: this.#rateBytesPerSec,
      priority: spec.priority,
      pinUntilEpochMs: pinnedUntil(this.#row),
    }
  }

  /** What each host may take now: its own rate, and its part of the region's. */
  #rate({ rateBytesPerSec }: Share): number {
    const own = this.#row.spec.rateBytesPerSec
    if (rateBytesPerSec === 0) return own
    const part = Math.max(1, Math.floor(rateBytesPerSec / Math.max(1, this.#progress.atWork(this.#isIdle))))
    const wanted = own === 0 ? part : Math.min(own, part)
    const before = this.#rateBytesPerSec
    return before > 0 && Math.abs(wanted - before) <= before * RATE_STEP ? before : wanted
  }

  /** The message as all hosts get it, encoded once. */
  #body(task: Task): Uint8Array {
    const known = this.#encoded?.task
    const isSame = (['revision', 'rateBytesPerSec', 'state'] as const).every((key) => known?.[key] === task[key])
    if (!isSame) this.#encoded = { task, body: encodeMessage<PrewarmMessages>({ kind: 'task', task }) }
    return this.#encoded!.body
  }
}

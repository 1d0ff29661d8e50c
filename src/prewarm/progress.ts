import type { Clock } from '../base/clock.ts'
import { HostPaces } from './host-pace.ts'
import type {
  HostReport,
  HostState,
  HostView,
  MovedBytes,
  PlanSummary,
  ReasonGroup,
  Share,
  Tally,
} from './interface.ts'
import { HOST_STATES, MOVED_NOTHING } from './shapes.ts'

const MOVED = ['peer', 'home', 'parent', 'origin'] as const
const FIRST_HOSTS = 64
const MAX_REASON_CHARS = 300
const MAX_GROUPS = 32
const NAMED_PER_GROUP = 5
/** State numbers, by their place in HOST_STATES. */
const READY = HOST_STATES.indexOf('ready')
const FAILED = HOST_STATES.indexOf('failed')
const SKIPPED = HOST_STATES.indexOf('skipped')

/** A host of a job, by key and by the name that people know. */
export interface RosterEntry {
  readonly key: string
  readonly name: string
}

/**
 * One region's hosts in one job and how far each is: a few numbers for each, in flat arrays, so that ten thousand hosts
 * take some 2 MB, however many blobs there are. Hosts stand in the order in which they are to begin.
 *
 * Bytes only grow. A state moves as the host says; what this side has judged itself (a host that is gone) is taken back
 * when the host speaks again.
 */
export class Progress {
  readonly #plan: PlanSummary
  readonly #index = new Map<string, number>()
  readonly #entries: RosterEntry[] = []
  readonly #reasons = new Map<number, string>()
  /** Hosts that failed, or were set aside, by this side's judgement. */
  readonly #judged = new Set<number>()
  /** Of these, hosts that were set aside: they have never answered. */
  readonly #aside = new Set<number>()
  #states = new Uint8Array(FIRST_HOSTS)
  #acked = new Uint32Array(FIRST_HOSTS)
  #begun = new Uint8Array(FIRST_HOSTS)
  #have = new Float64Array(FIRST_HOSTS)
  #moved = new Float64Array(FIRST_HOSTS * MOVED.length)
  /** How many of the plan's blobs each has. */
  #blobs = new Uint32Array(FIRST_HOSTS)
  readonly #paces: HostPaces
  readonly #counts = HOST_STATES.map(() => 0)
  #begunCount = 0

  constructor(plan: PlanSummary, clock: Pick<Clock, 'now' | 'wall'>) {
    this.#plan = plan
    this.#paces = new HostPaces(clock)
  }

  get size(): number {
    return this.#entries.length
  }

  /** Hosts that count for nothing while they do not answer. */
  get aside(): number {
    return this.#aside.size
  }

  entries(): readonly RosterEntry[] {
    return this.#entries
  }

  has(key: string): boolean {
    return this.#index.has(key)
  }

  /** Puts a host at the end of the order; returns whether it is new. */
  add(entry: RosterEntry): boolean {
    if (this.#index.has(entry.key)) return false
    const i = this.#entries.length
    if (i >= this.#states.length) this.#grow()
    this.#index.set(entry.key, i)
    this.#entries.push(entry)
    this.#counts[0]!++
    return true
  }

  /** Notes what a host says of itself; returns whether anything changed. Unknown hosts are ignored. */
  report(key: string, report: HostReport): boolean {
    const i = this.#index.get(key)
    const isChanged = i !== undefined && this.#note(i, report)
    if (i !== undefined && report.state !== 'waiting') this.#paces.note(i, this.#movedBy(i), this.#states[i]! >= READY)
    return isChanged
  }

  /** How a host ended, as the disk says: when that was is not known. Unknown hosts are ignored. */
  restore(key: string, report: HostReport): void {
    const i = this.#index.get(key)
    if (i !== undefined) this.#note(i, report)
  }

  /**
   * Seconds until the slowest of those at work has all, at the rates they have now; null while one of them receives nothing,
   * and when there is none.
   */
  get slowestSeconds(): number | null {
    let slowest: number | null = null
    for (let i = 0; i < this.size; i++) {
      if (this.#stateOf(i) !== 'moving') continue
      const { bytesPerSec } = this.#paces.pace(i)
      if (bytesPerSec === 0) return null
      slowest = Math.max(slowest ?? 0, (this.#plan.bytes - this.#have[i]!) / bytesPerSec)
    }
    return slowest
  }

  #movedBy(i: number): number {
    return this.#moved.subarray(i * MOVED.length, (i + 1) * MOVED.length).reduce((sum, bytes) => sum + bytes, 0)
  }

  #note(i: number, report: HostReport): boolean {
    const before = [this.#states[i], this.#acked[i], this.#have[i], this.#reasons.get(i)]
    this.#begin(i)
    this.#judged.delete(i)
    this.#aside.delete(i)
    this.#acked[i] = Math.max(this.#acked[i]!, report.revision)
    this.#have[i] = Math.min(this.#plan.bytes, Math.max(this.#have[i]!, report.haveBytes))
    for (const [j, from] of MOVED.entries()) {
      const at = i * MOVED.length + j
      this.#moved[at] = Math.max(this.#moved[at]!, report.moved[from])
    }
    this.#blobs[i] = Math.min(this.#plan.blobs, Math.max(this.#blobs[i]!, bitsIn(report.blobs)))
    this.#setState(i, report.state, report.reason)
    const after = [this.#states[i], this.#acked[i], this.#have[i], this.#reasons.get(i)]
    return after.some((value, j) => value !== before[j])
  }

  /** This side's own judgement of a host that does not speak any more. */
  fail(key: string, reason: string): void {
    this.#judge(key, 'failed', reason)
  }

  /** The same of one that has never spoken: whether there is such a host is only its own word. */
  setAside(key: string, reason: string): void {
    const i = this.#judge(key, 'skipped', reason)
    if (i !== undefined) this.#aside.add(i)
  }

  /** Hosts that have been judged, and that have not spoken since. */
  judged(): string[] {
    return Array.from(this.#judged, (i) => this.#entries[i]!.key)
  }

  /** Takes a judgement back: the host waits as if it had not begun. */
  takeBack(key: string): void {
    const i = this.#index.get(key)
    if (i === undefined || !this.#judged.delete(i)) return
    this.#aside.delete(i)
    this.#begun[i] = 0
    this.#begunCount--
    this.#setState(i, 'waiting', undefined)
  }

  /** A host has been told to begin. */
  begin(key: string): void {
    const i = this.#index.get(key)
    if (i !== undefined) this.#begin(i)
  }

  ended(key: string): boolean {
    const i = this.#index.get(key)
    return i !== undefined && this.#states[i]! >= READY
  }

  /** The revision of its task that a host has last spoken of; 0 before the first word. */
  acked(key: string): number {
    return this.#acked[this.#index.get(key) ?? -1] ?? 0
  }

  /**
   * Hosts that may be told to work now, in order: those begun and not ended, then new ones as the share allows. Hosts that
   * are `idle`, because they are not there or do not answer, take no place from others.
   */
  *due(share: Share, isIdle: (key: string) => boolean): Generator<RosterEntry> {
    const open = Math.min(this.size, share.open ?? this.size)
    let room = share.maxHosts === 0 ? Number.POSITIVE_INFINITY : share.maxHosts - this.atWork(isIdle)
    for (let i = 0; i < this.size; i++) {
      if (this.#states[i]! >= READY) continue
      const entry = this.#entries[i]!
      if (this.#begun[i] === 1) yield entry
      else if (i < open && (isIdle(entry.key) || room-- > 0)) yield entry
    }
  }

  /** Hosts that have begun and not ended, without those that are `idle`. */
  atWork(isIdle: (key: string) => boolean): number {
    let count = 0
    for (let i = 0; i < this.size; i++) {
      if (this.#begun[i] === 1 && this.#states[i]! < READY && !isIdle(this.#entries[i]!.key)) count++
    }
    return count
  }

  /** Hosts that have ended and have not heard of this revision of their task. */
  *outdated(revision: number): Generator<RosterEntry> {
    for (let i = 0; i < this.size; i++) {
      const isBehind = this.#acked[i]! > 0 && this.#acked[i]! < revision
      if (isBehind && this.#states[i]! >= READY) yield this.#entries[i]!
    }
  }

  tally(originBytes: number): Tally {
    const hosts = Object.fromEntries(HOST_STATES.map((state, i) => [state, this.#counts[i]!])) as Record<
      HostState,
      number
    >
    const moved: Record<keyof MovedBytes, number> = { ...MOVED_NOTHING }
    let haveBytes = 0
    let skippedBytes = 0
    for (let i = 0; i < this.size; i++) {
      haveBytes += this.#have[i]!
      if (this.#states[i] === SKIPPED) skippedBytes += this.#have[i]!
      for (const [j, from] of MOVED.entries()) moved[from] += this.#moved[i * MOVED.length + j]!
    }
    return {
      selected: this.size,
      begun: this.#begunCount,
      hosts,
      setAside: this.#aside.size,
      haveBytes,
      skippedBytes,
      moved,
      originBytes,
      reasons: this.#groups(),
      slowestSeconds: this.slowestSeconds,
    }
  }

  /** Hosts from place `first` on, for people. */
  views(region: string, first: number, most: number): HostView[] {
    return this.#entries.slice(first, first + most).map(({ key, name }, j) => {
      const i = first + j
      const at = i * MOVED.length
      const [peer = 0, home = 0, parent = 0, origin = 0] = this.#moved.subarray(at, at + MOVED.length)
      return {
        key,
        name,
        region,
        state: this.#stateOf(i),
        haveBytes: this.#have[i]!,
        totalBytes: this.#plan.bytes,
        movedBytes: { peer, home, parent, origin },
        blobsDone: this.#blobs[i]!,
        reason: this.#reasons.get(i) ?? null,
        ...this.#paces.pace(i),
      }
    })
  }

  #judge(key: string, state: 'failed' | 'skipped', reason: string): number | undefined {
    const i = this.#index.get(key)
    if (i === undefined) return undefined
    this.#begin(i)
    this.#judged.add(i)
    this.#setState(i, state, reason)
    return i
  }

  #begin(i: number): void {
    if (this.#begun[i] === 1) return
    this.#begun[i] = 1
    this.#begunCount++
  }

  #setState(i: number, state: HostState, reason: string | undefined): void {
    this.#counts[this.#states[i]!]!--
    this.#states[i] = HOST_STATES.indexOf(state)
    this.#counts[this.#states[i]!]!++
    if (reason === undefined || state === 'ready') this.#reasons.delete(i)
    else this.#reasons.set(i, reason.slice(0, MAX_REASON_CHARS))
  }

  #stateOf(i: number): HostState {
    return HOST_STATES[this.#states[i]!] ?? 'waiting'
  }

  #groups(): ReasonGroup[] {
    const groups = new Map<string, { state: ReasonGroup['state']; reason: string; count: number; hosts: string[] }>()
    for (const [i, text] of this.#reasons) {
      const state = this.#states[i] === SKIPPED ? 'skipped' : this.#states[i] === FAILED ? 'failed' : 'waiting'
      // more kinds than anybody reads are counted together
      const reason = groups.has(`${state} ${text}`) || groups.size < MAX_GROUPS ? text : 'other reasons'
      const group = groups.get(`${state} ${reason}`) ?? { state, reason, count: 0, hosts: [] }
      groups.set(`${state} ${reason}`, group)
      group.count++
      if (group.hosts.length < NAMED_PER_GROUP) group.hosts.push(this.#entries[i]!.name)
    }
    return [...groups.values()].sort((a, b) => b.count - a.count)
  }

  #grow(): void {
    const size = this.#states.length * 2
    this.#states = grown(this.#states, new Uint8Array(size))
    this.#acked = grown(this.#acked, new Uint32Array(size))
    this.#begun = grown(this.#begun, new Uint8Array(size))
    this.#have = grown(this.#have, new Float64Array(size))
    this.#moved = grown(this.#moved, new Float64Array(size * MOVED.length))
    this.#blobs = grown(this.#blobs, new Uint32Array(size))
  }
}

function bitsIn(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) for (let bits = byte; bits !== 0; bits &= bits - 1) count++
  return count
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}

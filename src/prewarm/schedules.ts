import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import { encodeJson } from '../base/json.ts'
import type { Logger } from '../base/log.ts'
import { TaskGroup } from '../base/task-group.ts'
import { Wake } from '../base/wake.ts'
import type { Ordered } from '../orders/index.ts'
import { homeKeyOf, impossible } from '../orders/index.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'
import type { PeerInfo } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import type { JobState, PrewarmSpec } from './interface.ts'
import { isFinal } from './job.ts'
import type { PrewarmMessage } from './messages.ts'
import type { PrewarmMessenger } from './requests.ts'
import type { Scheduled, ScheduleRow, ScheduleView } from './schedule.ts'
import {
  changedSchedule,
  decide,
  isForgotten,
  isNewerSchedule,
  jobOfRun,
  missedRun,
  nextRun,
  ranAs,
  scheduleRowSchema,
  scheduleView,
} from './schedule.ts'

const MAX_ACTIVE = 256
/** With those that are over or cancelled; the oldest of these go first. */
const MAX_ROWS = 512
const MAX_ROWS_BYTES = 8 * 1024 * 1024
/** A restarted cache first hears of the others what they have run meanwhile. */
const SETTLE_MS = 5_000
/** The host's clock may be set meanwhile. */
const LOOK_MOST_MS = 5_000
/** A run that could not begin is tried again. */
const RETRY_MS = 60_000

interface Kept {
  readonly row: ScheduleRow
  readonly bytes: number
  /** When it has something due; infinity = never again. */
  readonly dueEpochMs: number
}

interface SchedulesDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly store: BlobStore
  readonly tier: Pick<Tier, 'homes'>
  readonly messenger: Pick<PrewarmMessenger, 'self' | 'send' | 'caches'>
  /** Begins a job of this id, or returns the one that has begun. */
  readonly begin: (spec: PrewarmSpec, signal: AbortSignal, id: string) => Promise<unknown>
  /** Undefined for a job that is not known here. */
  readonly jobState: (id: string) => JobState | undefined
}

/**
 * Keeps schedules on the disks of a region's caches, and begins their jobs when they are due. Every cache has all of them;
 * the one that ranks first for a schedule runs it, and should two do so, the job's id makes one job of it.
 */
export class Schedules implements AsyncDisposable {
  readonly #deps: SchedulesDeps
  readonly #table: StoreTable<ScheduleRow>
  readonly #rows = new Map<string, Kept>()
  readonly #triedAt = new Map<string, number>()
  readonly #tasks: TaskGroup
  readonly #wake = new Wake()

  constructor(deps: SchedulesDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    this.#table = deps.store.table('prewarm-schedules', jsonCodec(scheduleRowSchema))
  }

  async start(): Promise<void> {
    for await (const [id, row] of this.#table.entries('')) {
      if (id === row.id && this.#hasRoom(row)) this.#keep(row)
      else await this.#table.delete(id)
    }
    void this.#tasks.run('schedules are run no longer', (signal) => this.#run(signal))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.stop()
  }

  /** Another cache of the region hears of all of them. */
  linked(peer: PeerInfo): void {
    if (peer.role !== 'cache' || peer.region !== this.#deps.messenger.self.region) return
    for (const { row } of this.#rows.values()) this.#deps.messenger.send(peer.key, { kind: 'schedule', row })
    this.#wake.call()
  }

  /** A cache of this region has a schedule, or has changed one. */
  message(_from: PeerInfo, message: PrewarmMessage): void {
    if (message.kind !== 'schedule') return
    const { row } = message
    const known = this.#rows.get(row.id)?.row
    if (known === undefined ? !this.#hasRoom(row) : !isNewerSchedule(row, known)) return
    void this.#tasks.run('a schedule cannot be written', () => this.#put(row))
  }

  list(): ScheduleView[] {
    const now = this.#deps.clock.wall()
    return [...this.#rows.values()].map(({ row }) => scheduleView(row, now)).sort(bySoonness)
  }

  /** Keeps a schedule, or returns the one of its id. Throws `PREWARM_IMPOSSIBLE` when there are too many. */
  async add({ id, content, issuedEpochMs }: Ordered<Scheduled>): Promise<ScheduleView> {
    const { clock, logger } = this.#deps
    const now = clock.wall()
    const known = this.#rows.get(id)?.row
    if (known !== undefined) return scheduleView(known, now)
    const row: ScheduleRow = {
      ...content,
      id,
      revision: 1,
      state: 'active',
      createdEpochMs: now,
      changedEpochMs: now,
      orderedEpochMs: issuedEpochMs,
      settledEpochMs: now,
      lastJob: null,
      lastRunEpochMs: null,
      missed: 0,
      lastMissedEpochMs: null,
      problem: null,
    }
    if (nextRun(row.when, now) === undefined) throw impossible('the time it was to begin at is over')
    if (!this.#hasRoom(row)) throw impossible(`${MAX_ACTIVE} schedules are kept at most; cancel some`)
    await this.#change(row)
    logger.info({ schedule: id, ...row.when, images: row.spec.images.length }, 'a prewarm schedule is kept')
    return scheduleView(row, now)
  }

  /** Ends a schedule; jobs that it has begun go on. Throws `PREWARM_UNKNOWN`. */
  async cancel({ id, issuedEpochMs }: Ordered<unknown>): Promise<ScheduleView> {
    const { clock, logger } = this.#deps
    const now = clock.wall()
    const row = this.#rows.get(id)?.row
    if (row === undefined) throw new ShoalError('PREWARM_UNKNOWN', `there is no schedule ${id}`)
    if (row.state !== 'active') return scheduleView(row, now)
    const ended = changedSchedule({ ...row, state: 'cancelled', orderedEpochMs: issuedEpochMs }, now)
    await this.#change(ended)
    logger.info({ schedule: id }, 'a prewarm schedule was cancelled')
    return scheduleView(ended, now)
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps
    if (this.#rows.size > 0) await sleep(clock, SETTLE_MS, signal)
    for (;;) {
      for (const kept of [...this.#rows.values()]) {
        try {
          await this.#look(kept, signal)
        } catch (error) {
          signal.throwIfAborted()
          logger.warn({ schedule: kept.row.id, err: error }, 'a prewarm schedule cannot be run')
        }
      }
      await this.#wake.wait(clock, this.#restMs(), signal)
    }
  }

  /** Until something may be due. */
  #restMs(): number {
    const now = this.#deps.clock.wall()
    const next = [...this.#rows.values()].flatMap(({ dueEpochMs }) => (dueEpochMs > now ? dueEpochMs - now : []))
    return Math.min(LOOK_MOST_MS, ...next)
  }

  async #look({ row, dueEpochMs }: Kept, signal: AbortSignal): Promise<void> {
    const now = this.#deps.clock.wall()
    if (isForgotten(row, now)) return this.#forget(row.id)
    if (dueEpochMs > now) return
    const isLeader = this.#deps.tier.homes(homeKeyOf(row.id))[0]?.kind === 'self'
    const next = isLeader ? decide(row, now) : undefined
    if (next === undefined) return
    if (next.row !== row) {
      const { missed, lastMissedEpochMs } = next.row
      this.#deps.logger.warn({ schedule: row.id, missed, lastMissedEpochMs }, 'runs of a prewarm schedule were missed')
      await this.#change(next.row)
    }
    if (next.run !== undefined) await this.#begin(next.row, next.run, signal)
  }

  async #begin(row: ScheduleRow, run: number, signal: AbortSignal): Promise<void> {
    const { clock, logger, begin, jobState } = this.#deps
    const { id, lastJob } = row
    const now = clock.wall()
    const before = lastJob === null ? undefined : jobState(lastJob)
    if (before !== undefined && !isFinal(before)) {
      logger.warn({ schedule: id, job: lastJob }, 'a run of a prewarm schedule is left out: its last job is not over')
      const problem = `job ${lastJob} was not over`
      return this.#change(missedRun(row, { at: run, runs: 1, now, problem }))
    }
    if (clock.now() - (this.#triedAt.get(id) ?? Number.NEGATIVE_INFINITY) < RETRY_MS) return
    const job = jobOfRun(id, run)
    try {
      await begin(row.spec, signal, job)
      this.#triedAt.delete(id)
      await this.#change(ranAs(this.#rows.get(id)?.row ?? row, run, job, clock.wall()))
    } catch (error) {
      signal.throwIfAborted()
      this.#triedAt.set(id, clock.now())
      const problem = errorText(error).slice(0, 1_000)
      if (problem === row.problem) return
      logger.warn({ schedule: id, err: error }, 'a job of a prewarm schedule does not begin; it is tried again')
      await this.#change(changedSchedule({ ...row, problem }, now))
    }
  }

  /** Here, on the disk, and at the region's other caches. */
  async #change(row: ScheduleRow): Promise<void> {
    const { messenger } = this.#deps
    const near = messenger.caches(({ region }) => region === messenger.self.region)
    for (const { peer } of near) messenger.send(peer.key, { kind: 'schedule', row })
    await this.#put(row)
  }

  async #put(row: ScheduleRow): Promise<void> {
    this.#keep(row)
    this.#wake.call()
    await this.#table.put(row.id, row)
    for (const id of this.#tooMany()) await this.#forget(id)
  }

  #keep(row: ScheduleRow): void {
    const next = row.state === 'active' ? nextRun(row.when, row.settledEpochMs) : undefined
    this.#rows.set(row.id, { row, bytes: encodeJson(row).length, dueEpochMs: next ?? Number.POSITIVE_INFINITY })
  }

  async #forget(id: string): Promise<void> {
    this.#rows.delete(id)
    this.#triedAt.delete(id)
    await this.#table.delete(id)
  }

  #hasRoom(row: ScheduleRow): boolean {
    if (row.state !== 'active') return true
    const active = [...this.#rows.values()].filter((one) => one.row.state === 'active')
    const bytes = active.reduce((sum, one) => sum + one.bytes, encodeJson(row).length)
    return active.length < MAX_ACTIVE && bytes <= MAX_ROWS_BYTES
  }

  /** The oldest of those that are no longer active, as many as have to go. */
  #tooMany(): string[] {
    const ended = [...this.#rows.values()].filter(({ row }) => row.state !== 'active')
    const byAge = ended.sort((a, b) => a.row.changedEpochMs - b.row.changedEpochMs)
    return byAge.slice(0, Math.max(0, this.#rows.size - MAX_ROWS)).map(({ row }) => row.id)
  }
}

function bySoonness(a: ScheduleView, b: ScheduleView): number {
  const never = Number.MAX_SAFE_INTEGER
  return (a.nextEpochMs ?? never) - (b.nextEpochMs ?? never) || b.changedEpochMs - a.changedEpochMs
}

import { z } from 'zod'
import { abortError } from '../base/abort.ts'
import { TaskGroup } from '../base/task-group.ts'
import { Wake } from '../base/wake.ts'
import { count, homeKeyOf, text } from '../orders/index.ts'
import type { StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'
import type { PeerInfo, PeerLink } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import { byTurn, HostBudget } from './host-budget.ts'
import type { HostTaskDeps, TaskProgress } from './host-task.ts'
import { HostTask } from './host-task.ts'
import type { HostReport, HostState } from './interface.ts'
import type { HostFacts, PrewarmMessage, Task } from './messages.ts'
import { taskSchema } from './messages.ts'
import { partsOf } from './plan-store.ts'
import type { PrewarmMessenger } from './requests.ts'
import { HOST_STATES, MOVED_NOTHING, moved } from './shapes.ts'
import { MAX_SPAN_MS } from './spec-shapes.ts'

/** While something changes it is told this often, not more. */
const REPORT_EVERY_MS = 2_000
/** How often a host looks whether what it says of itself still holds. */
const FACTS_EVERY_MS = 15_000
/** A change of room is told when it is more than this part. */
const FACTS_STEP = 0.02
/** What happens meanwhile wakes it. */
const LOOK_EVERY_MS = 500
/** How often a host asks whether it may go on, until it is told. */
const CHECK_IN_EVERY_MS = 2_000
/** A host remembers this many ended tasks, for this long, so that a cache that was away hears of them; then only their content is left. */
const MAX_REMEMBERED = 32
const REMEMBERED_MS = 7 * 86_400_000
/** Worked on at the same time: one that waits for its sources, for room or for a runtime holds up only itself. */
const AT_ONCE = 2
/** Tasks that a host has at once, and the blobs and manifests of their plans: some 20 MB. */
const MAX_TASKS = 512
const MAX_PARTS = 131_072
const MAX_REMEMBERED_PARTS = 32_768
const NOTHING_YET: TaskProgress = { state: 'waiting', reason: null, moved: MOVED_NOTHING }

interface WorkerDeps extends Omit<HostTaskDeps, 'budget'> {
  /** This host's own rate for all prewarm work, bytes per second; 0 = unlimited. */
  readonly hostRate: () => number
  readonly tier: Tier
  readonly messenger: PrewarmMessenger
  readonly facts: Omit<HostFacts, 'freeBytes'>
}

const rowSchema: z.ZodType<{ task: Task; progress: TaskProgress; changedEpochMs: number }> = z.object({
  task: taskSchema,
  progress: z.object({ state: z.enum(HOST_STATES), reason: text.nullable(), moved }),
  changedEpochMs: count,
})
type TaskRow = z.infer<typeof rowSchema>

interface Known {
  readonly work: HostTask
  /** Whether a cache has said that the job runs, since one has been there without a break. */
  isConfirmed: boolean
  checkedInAt: number
  /** Must be told, whether it has changed or not. */
  isNews: boolean
  /** What was last told, and when. */
  told: string
  toldAt: number
  changedEpochMs: number
}

/**
 * A host's side of prewarm: keeps the tasks it was given, works on a few at a time, by priority and then the oldest first,
 * and tells the leader of each job and its standby how far it is.
 */
export class Worker implements AsyncDisposable {
  readonly #deps: WorkerDeps
  readonly #table: StoreTable<TaskRow>
  readonly #tasks = new Map<string, Known>()
  readonly #background: TaskGroup
  readonly #wake = new Wake()
  readonly #budget: HostBudget
  /** What is worked on, by job. */
  readonly #running = new Map<string, AbortController>()
  #writing: Promise<void> = Promise.resolve()
  #listening: Disposable | undefined
  #freeBytes = 0
  #factsAt = Number.NEGATIVE_INFINITY

  constructor(deps: WorkerDeps) {
    this.#deps = deps
    this.#background = new TaskGroup(deps.logger)
    this.#budget = new HostBudget(deps)
    this.#table = deps.store.table('prewarm-tasks', jsonCodec(rowSchema))
  }

  async start(): Promise<void> {
    let dropped = 0
    for await (const [key, { task, progress, changedEpochMs }] of this.#table.entries('')) {
      if (key === task.job && this.#hasRoom(task)) this.#add(task, progress, changedEpochMs)
      else {
        dropped++
        await this.#table.delete(key)
      }
    }
    if (dropped > 0)
      this.#deps.logger.warn({ tasks: dropped }, 'prewarm tasks were set aside: they are too many or too large')
    this.#freeBytes = await this.#deps.freeBytes()
    this.#tellFacts()
    this.#listening = this.#deps.transfers.listen((digest, from, bytes) => {
      const wanting = [...this.#running.keys()].filter((job) => this.#tasks.get(job)?.work.came(digest, from, bytes))
      if (wanting.length > 0) this.#budget.came(bytes)
    })
    const rounds = { clock: this.#deps.clock, everyMs: LOOK_EVERY_MS, wake: this.#wake }
    this.#background.loop('prewarm work on this host failed', rounds, () => this.#look())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening?.[Symbol.dispose]()
    await this.#background.stop()
    await this.#writing
  }

  /** A cache that has just been linked knows nothing of this host. */
  linked({ peer }: PeerLink): void {
    const { messenger } = this.#deps
    if (peer.role !== 'cache' || peer.region !== messenger.self.region) return
    messenger.send(peer.key, this.#factsMessage())
    this.#wake.call()
    for (const [job, known] of this.#tasks) {
      if (!known.work.ended) {
        known.isNews = true
        known.checkedInAt = Number.NEGATIVE_INFINITY
      } else if (this.#leaders(job).includes(peer.key))
        messenger.send(peer.key, { kind: 'report', job, report: known.work.report() })
    }
  }

  message(from: PeerInfo, message: PrewarmMessage): void {
    const { self } = this.#deps.messenger
    if (from.key !== self.key && (from.role !== 'cache' || from.region !== self.region)) return
    if (message.kind === 'task') this.#take(message.task)
    else if (message.kind === 'standing') this.#leased(message)
  }

  /** What is still to be done here. */
  counts(): { state: HostState; haveBytes: number; totalBytes: number }[] {
    const live = [...this.#tasks].filter(([, { work }]) => !work.ended)
    return live.map(([job, { work }]) => {
      const { state, haveBytes } = this.#reportOf(job, work)
      return { state, haveBytes, totalBytes: work.task.plan.bytes }
    })
  }

  #add(task: Task, progress: TaskProgress, changedEpochMs: number): Known {
    const work = new HostTask(task, progress, { ...this.#deps, budget: this.#budget })
    const never = Number.NEGATIVE_INFINITY
    const known = {
      work,
      isConfirmed: false,
      checkedInAt: never,
      isNews: true,
      told: '',
      toldAt: never,
      changedEpochMs,
    }
    this.#tasks.set(task.job, known)
    return known
  }

  #take(given: Task): void {
    const task = { ...given, pinUntilEpochMs: this.#pinEnd(given) }
    const known = this.#tasks.get(task.job)
    if (known === undefined) {
      // a job that is over before it came here is nobody's business
      if (task.state === 'stopped') return
      if (!this.#hasRoom(task)) {
        this.#deps.logger.warn(
          { job: task.job },
          'a prewarm task was not taken: too many are here, or they are too large',
        )
        return
      }
      const added = this.#add(task, NOTHING_YET, this.#deps.clock.wall())
      added.isConfirmed = true
      this.#save(added)
      this.#wake.call()
      return
    }
    const before = known.work.task
    if (task.revision < before.revision) return
    known.isConfirmed = true
    known.work.update(task)
    this.#announce(known)
    this.#save(known)
    if (task.state !== 'running') this.#running.get(task.job)?.abort(abortError(`the job is ${task.state}`))
    if (task.state === 'stopped') return
    const { state } = known.work.progress
    const hasPins = state !== 'waiting' && state !== 'skipped'
    if (hasPins && task.pinUntilEpochMs !== before.pinUntilEpochMs) this.#repin(known)
  }

  /** Nothing is pinned for longer than a job may ask, whatever a cache's clock says. */
  #pinEnd({ pinUntilEpochMs }: Task): number | null {
    return pinUntilEpochMs === null ? null : Math.min(pinUntilEpochMs, this.#deps.clock.wall() + MAX_SPAN_MS)
  }

  /** What a cache says of a job that this host has something left to do for. */
  #leased({ job, runs }: Extract<PrewarmMessage, { kind: 'standing' }>): void {
    const known = this.#tasks.get(job)
    if (known === undefined || known.work.ended) return
    this.#wake.call()
    if (runs) known.isConfirmed = true
    else this.#take({ ...known.work.task, state: 'stopped' })
  }

  /** Whether one more can be kept in memory: by its plan, and with the others. */
  #hasRoom({ plan }: Task): boolean {
    return this.#tasks.size < MAX_TASKS && this.#parts + partsOf(plan) <= MAX_PARTS
  }

  /** What the plans of all tasks take. */
  get #parts(): number {
    let parts = 0
    for (const { work } of this.#tasks.values()) parts += partsOf(work.task.plan)
    return parts
  }

  /** To be told at the next look, which is now. */
  #announce(known: Known): void {
    this.#wake.call()
    known.isNews = true
    known.toldAt = Number.NEGATIVE_INFINITY
  }

  #repin({ work }: Known): void {
    // its failure is told in the log: the content is here all the same
    void work.repin(this.#background.signal).catch((error: unknown) => {
      this.#deps.logger.warn({ job: work.task.job, err: error }, 'a prewarmed image cannot be pinned')
    })
  }

  async #look(): Promise<void> {
    if (this.#deps.tier.acting) this.#rest()
    else this.#work()
    this.#checkIn()
    this.#report()
    if (this.#deps.clock.now() - this.#factsAt >= FACTS_EVERY_MS) await this.#lookAtFacts()
  }

  /** Begins what comes first, and stops what something of a higher priority takes the place of. */
  #work(): void {
    const open = [...this.#tasks.values()].filter(
      ({ work, isConfirmed }) => isConfirmed && !work.ended && work.task.state === 'running',
    )
    const first = open.sort((a, b) => this.#byTurn(a.work.task, b.work.task)).slice(0, AT_ONCE)
    const chosen = new Map(first.map((known) => [known.work.task.job, known]))
    for (const [job, abort] of this.#running) {
      if (!chosen.has(job)) abort.abort(abortError('a job of a higher priority takes its place'))
    }
    const next = first.filter(({ work }) => !this.#running.has(work.task.job)).slice(0, AT_ONCE - this.#running.size)
    for (const known of next) this.#begin(known)
    // the others now wait for these
    if (next.length > 0) for (const known of open) known.isNews = true
  }

  /** What has begun goes on beside others of its priority, older ones too. */
  #byTurn(a: Task, b: Task): number {
    const begun = Number(this.#running.has(b.job)) - Number(this.#running.has(a.job))
    return b.priority - a.priority || begun || byTurn(a, b)
  }

  #begin(known: Known): void {
    const abort = new AbortController()
    const { job } = known.work.task
    this.#running.set(job, abort)
    void this.#background.run('a prewarm task broke off', async (stopped) => {
      const signal = AbortSignal.any([abort.signal, stopped])
      try {
        await known.work.run(signal)
      } catch (error) {
        if (!signal.aborted) throw error
      } finally {
        this.#running.delete(job)
        this.#announce(known)
        this.#save(known)
      }
    })
  }

  /** No cache of the region is there: hosts would read the origins, each for itself, for a job that may be over. */
  #rest(): void {
    for (const known of this.#tasks.values()) known.isConfirmed = false
    for (const abort of this.#running.values()) abort.abort(abortError('no cache of this region is there'))
  }

  /** Asks about jobs that may have ended while this host was away. */
  #checkIn(): void {
    const { clock, messenger } = this.#deps
    const now = clock.now()
    for (const [job, known] of this.#tasks) {
      if (known.isConfirmed || known.work.ended || now - known.checkedInAt < CHECK_IN_EVERY_MS) continue
      known.checkedInAt = now
      for (const key of this.#leaders(job)) messenger.send(key, { kind: 'checkIn', job })
    }
  }

  #report(): void {
    const { clock, messenger } = this.#deps
    const now = clock.now()
    for (const [job, known] of this.#tasks) {
      const { work } = known
      const isDue = known.isNews || this.#running.has(job)
      if (!isDue || now - known.toldAt < REPORT_EVERY_MS) continue
      const report = this.#reportOf(job, work)
      const text = JSON.stringify(report)
      known.toldAt = now
      if (text === known.told && !known.isNews) continue
      const heard = this.#leaders(job).filter((key) => messenger.send(key, { kind: 'report', job, report }))
      if (heard.length === 0) continue
      known.isNews = false
      known.told = text
      if (!work.ended) this.#save(known)
    }
  }

  /** A task that is not worked on waits, however far it is. */
  #reportOf(job: string, work: HostTask): HostReport {
    const report = work.report()
    if (work.ended || this.#running.has(job)) return report
    const isHeldUp = work.task.state === 'running' && this.#running.size >= AT_ONCE
    const others = [...this.#running.keys()].sort().join(', ')
    return { ...report, state: 'waiting', reason: isHeldUp ? `waits for jobs ${others}` : undefined }
  }

  /** The job's leader and its standby. */
  #leaders(job: string): string[] {
    const { tier, messenger } = this.#deps
    return tier
      .homes(homeKeyOf(job))
      .filter((home) => home.kind === 'self' || home.link.peer.role === 'cache')
      .slice(0, 2)
      .map((home) => (home.kind === 'self' ? messenger.self.key : home.link.peer.key))
  }

  async #lookAtFacts(): Promise<void> {
    this.#factsAt = this.#deps.clock.now()
    this.#forgetOld()
    const freeBytes = await this.#deps.freeBytes()
    if (Math.abs(freeBytes - this.#freeBytes) <= this.#freeBytes * FACTS_STEP) return
    this.#freeBytes = freeBytes
    this.#tellFacts()
  }

  #forgetOld(): void {
    const ended = [...this.#tasks].filter(([, { work }]) => work.ended)
    const byAge = ended.sort(([, a], [, b]) => b.changedEpochMs - a.changedEpochMs)
    let parts = 0
    for (const [i, [job, { work, changedEpochMs }]] of byAge.entries()) {
      parts += partsOf(work.task.plan)
      const isOld = i >= MAX_REMEMBERED || changedEpochMs < this.#deps.clock.wall() - REMEMBERED_MS
      if (!isOld && parts <= MAX_REMEMBERED_PARTS) continue
      this.#tasks.delete(job)
      this.#write(this.#table.delete(job))
    }
  }

  /** To the region's caches, and to this host itself, which may be its own tier. */
  #tellFacts(): void {
    const { messenger } = this.#deps
    const caches = messenger.caches((peer) => peer.region === messenger.self.region)
    for (const key of [messenger.self.key, ...caches.map(({ peer }) => peer.key)])
      messenger.send(key, this.#factsMessage())
  }

  #factsMessage(): PrewarmMessage {
    return { kind: 'host', facts: { ...this.#deps.facts, freeBytes: this.#freeBytes } }
  }

  #save(known: Known): void {
    const { task, progress } = known.work
    known.changedEpochMs = this.#deps.clock.wall()
    const isOver = task.state === 'stopped'
    if (isOver) this.#tasks.delete(task.job)
    const row = { task, progress, changedEpochMs: known.changedEpochMs }
    this.#write(isOver ? this.#table.delete(task.job) : this.#table.put(task.job, row))
  }

  /** What is being written when the host stops is waited for. */
  #write(saving: Promise<void>): void {
    const noted = saving.catch((error: unknown) => {
      this.#deps.logger.warn({ err: error }, 'a prewarm task cannot be written')
    })
    this.#writing = this.#writing.then(() => noted)
  }
}

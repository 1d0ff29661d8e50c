import { z } from 'zod'
import { sleep } from '../base/abort.ts'
import { errorText } from '../base/errors.ts'
import type { StoreTable } from '../store/index.ts'
import type { PeerInfo, PeerLink } from '../swarm/index.ts'
import type { Home, Tier } from '../tier/index.ts'
import { homeKeyOf } from './desk.ts'
import type { HostTaskDeps, TaskProgress } from './host-task.ts'
import { HostTask } from './host-task.ts'
import { HOST_STATES } from './interface.ts'
import { jsonCodec } from './job-book.ts'
import { count, moved, text } from './letter-types.ts'
import type { HostFacts, Letter, Task } from './letters.ts'
import { taskSchema } from './letters.ts'
import type { Post } from './post.ts'
import { NOTHING_MOVED } from './views.ts'

/** While something changes it is told this often, not more. */
const REPORT_EVERY_MS = 2_000
/** How often a host looks whether what it says of itself still holds. */
const FACTS_EVERY_MS = 15_000
/** A change of room is told when it is more than this part. */
const FACTS_STEP = 0.02
const LOOK_EVERY_MS = 250
/** An ended task is remembered so long, so that a restarted cache hears of it; then only its content is left. */
const REMEMBERED_MS = 14 * 86_400_000

export interface WorkerDeps extends Omit<HostTaskDeps, 'changed'> {
  readonly tier: Tier
  readonly post: Post
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
  /** Something has changed since it was last told. */
  isNews: boolean
  toldAt: number
  changedEpochMs: number
}

/**
 * A host's side of prewarm: keeps the tasks it was given, works on one at a time, the oldest first, and tells the head
 * of each job and its stand-in how far it is.
 */
export class Worker implements AsyncDisposable {
  readonly #deps: WorkerDeps
  readonly #table: StoreTable<TaskRow>
  readonly #tasks = new Map<string, Known>()
  readonly #stop = new AbortController()
  #current: { readonly job: string; readonly abort: AbortController; readonly done: Promise<void> } | undefined
  #loop: Promise<void> | undefined
  #listening: Disposable | undefined
  #freeBytes = 0
  #factsAt = Number.NEGATIVE_INFINITY

  constructor(deps: WorkerDeps) {
    this.#deps = deps
    this.#table = deps.store.table('prewarm-tasks', jsonCodec(rowSchema))
  }

  async start(): Promise<void> {
    const before = this.#deps.now() - REMEMBERED_MS
    for await (const [job, { task, progress, changedEpochMs }] of this.#table.entries('')) {
      if (changedEpochMs < before) await this.#table.delete(job)
      else this.#add(task, progress, changedEpochMs)
    }
    this.#freeBytes = await this.#deps.freeBytes()
    this.#listening = this.#deps.transfers.listen((digest, from, bytes) => {
      if (this.#current !== undefined) this.#tasks.get(this.#current.job)?.work.came(digest, from, bytes)
    })
    this.#loop ??= this.#run().catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening?.[Symbol.dispose]()
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    await this.#loop
    await this.#current?.done
  }

  /** A cache that has just been linked knows nothing of this host. */
  linked({ peer }: PeerLink): void {
    if (peer.role !== 'cache' || peer.region !== this.#deps.post.self.region) return
    this.#tellFacts(peer.key)
    // also of what has ended: a cache that was away must know
    for (const known of this.#tasks.values()) known.isNews = true
  }

  /** Tells this host itself, when it is its own tier. */
  tellSelf(): void {
    this.#tellFacts(this.#deps.post.self.key)
  }

  letter(from: PeerInfo, letter: Letter): void {
    if (letter.kind !== 'task') return
    const isSelf = from.key === this.#deps.post.self.key
    if (isSelf || (from.role === 'cache' && from.region === this.#deps.post.self.region)) this.#take(letter.task)
  }

  /** What is still to be done here. */
  counts(): { state: (typeof HOST_STATES)[number]; haveBytes: number; totalBytes: number }[] {
    const live = [...this.#tasks.values()].filter(({ work }) => !work.ended)
    return live.map(({ work }) => {
      const { state, haveBytes } = work.report()
      return { state, haveBytes, totalBytes: work.task.plan.bytes }
    })
  }

  #add(task: Task, progress: TaskProgress, changedEpochMs: number): Known {
    const changed = (): void => {
      known.isNews = true
    }
    const work = new HostTask(task, progress, { ...this.#deps, changed })
    const known: Known = { work, isNews: true, toldAt: Number.NEGATIVE_INFINITY, changedEpochMs }
    this.#tasks.set(task.job, known)
    return known
  }

  #take(task: Task): void {
    const known = this.#tasks.get(task.job)
    if (known === undefined) {
      // a job that is over before it came here is nobody's business
      if (task.state === 'stopped') return
      const added = this.#add(task, { state: 'waiting', reason: null, moved: NOTHING_MOVED }, this.#deps.now())
      this.#save(added)
      return
    }
    const before = known.work.task
    if (task.revision < before.revision) return
    known.work.update(task)
    known.isNews = true
    known.toldAt = Number.NEGATIVE_INFINITY
    this.#save(known)
    if (task.state !== 'running' && this.#current?.job === task.job) {
      this.#current.abort.abort(new DOMException(`the job is ${task.state}`, 'AbortError'))
    }
    if (task.pinUntilEpochMs !== before.pinUntilEpochMs && known.work.ended) this.#repin(known)
  }

  #repin({ work }: Known): void {
    // Its own failure is told in the log; the content is here all the same.
    void work.repin(this.#stop.signal).catch((error: unknown) => {
      this.#deps.logger.warn({ job: work.task.job, err: errorText(error) }, 'a prewarmed image cannot be pinned')
    })
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#deps
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        this.#work()
        this.#report()
        if (clock.now() - this.#factsAt >= FACTS_EVERY_MS) await this.#lookAtFacts()
      } catch (error) {
        logger.error({ err: errorText(error) }, 'prewarm work on this host failed')
      }
      await sleep(clock, LOOK_EVERY_MS, signal)
    }
  }

  /** Begins the next task when none is under way. */
  #work(): void {
    if (this.#current !== undefined) return
    const waiting = [...this.#tasks.values()].filter(({ work }) => !work.ended && work.task.state === 'running')
    const next = waiting.sort((a, b) => (a.work.task.job < b.work.task.job ? -1 : 1))[0]
    if (next === undefined) return
    const abort = new AbortController()
    const signal = AbortSignal.any([abort.signal, this.#stop.signal])
    const done = next.work
      .run(signal)
      .catch(() => {})
      .then(() => {
        this.#current = undefined
        next.toldAt = Number.NEGATIVE_INFINITY
        this.#save(next)
      })
    this.#current = { job: next.work.task.job, abort, done }
  }

  #report(): void {
    const now = this.#deps.clock.now()
    for (const [job, known] of this.#tasks) {
      const { work } = known
      const due = work.ended ? known.isNews : known.isNews && now - known.toldAt >= REPORT_EVERY_MS
      if (!due || work.task.state === 'stopped') continue
      const report = work.report()
      const told = this.#heads(job).map((key) => this.#deps.post.send(key, { kind: 'report', job, report }))
      if (!told.includes(true)) continue
      known.isNews = false
      known.toldAt = now
      if (!work.ended) this.#save(known)
    }
  }

  /** The job's head and its stand-in. */
  #heads(job: string): string[] {
    const { tier, post } = this.#deps
    return tier
      .homes(homeKeyOf(job))
      .filter((home: Home) => home.kind === 'self' || home.link.peer.role === 'cache')
      .slice(0, 2)
      .map((home) => (home.kind === 'self' ? post.self.key : home.link.peer.key))
  }

  async #lookAtFacts(): Promise<void> {
    this.#factsAt = this.#deps.clock.now()
    this.#forgetOld()
    const freeBytes = await this.#deps.freeBytes()
    if (Math.abs(freeBytes - this.#freeBytes) <= this.#freeBytes * FACTS_STEP) return
    this.#freeBytes = freeBytes
    const { post } = this.#deps
    for (const { peer } of post.caches((one) => one.region === post.self.region)) this.#tellFacts(peer.key)
  }

  #forgetOld(): void {
    const before = this.#deps.now() - REMEMBERED_MS
    for (const [job, { work, changedEpochMs }] of this.#tasks) {
      if (!work.ended || changedEpochMs >= before) continue
      this.#tasks.delete(job)
      this.#written(this.#table.delete(job))
    }
  }

  #tellFacts(key: string): void {
    this.#deps.post.send(key, { kind: 'host', facts: { ...this.#deps.facts, freeBytes: this.#freeBytes } })
  }

  #save(known: Known): void {
    const { work } = known
    known.changedEpochMs = this.#deps.now()
    const row = { task: work.task, progress: work.progress, changedEpochMs: known.changedEpochMs }
    const isOver = work.task.state === 'stopped'
    if (isOver) this.#tasks.delete(work.task.job)
    this.#written(isOver ? this.#table.delete(work.task.job) : this.#table.put(work.task.job, row))
  }

  #written(saving: Promise<void>): void {
    void saving.catch((error: unknown) => {
      this.#deps.logger.warn({ err: errorText(error) }, 'a prewarm task cannot be written')
    })
  }
}

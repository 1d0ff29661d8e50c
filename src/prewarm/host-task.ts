import { abortError, sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { errorOf } from '../base/outcome.ts'
import type { Digest } from '../oci/digest.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { ImageSource, Pins } from '../pins/index.ts'
import type { ImageLoader, LoadRuntime } from '../runtime/index.ts'
import type { BlobStore } from '../store/index.ts'
import { checkBlob } from '../store/index.ts'
import type { Transfer, Transfers } from '../transfer/index.ts'
import { transferEnded } from '../transfer/index.ts'
import type { BudgetPart, HostBudget } from './host-budget.ts'
import type { HostReport, HostState, MovedBytes, PlannedBlob } from './interface.ts'
import type { Task } from './messages.ts'
import { needOf } from './need.ts'

/** Blobs on the way at the same time: enough to keep a link busy, few enough that the first ones are done soon. */
const BLOBS_AT_ONCE = 8
const PACE_EVERY_MS = 100
const RETRY_FIRST_MS = 1_000
const RETRY_MOST_MS = 30_000
/** A host fails after this long without a byte of a blob. */
const GIVE_UP_MS = 3 * 60_000
/** An upstream that says "no such blob" or "not for you" is asked again: it may be a cache that has not heard of it. */
const UNKNOWN_TRIES = 3
const MAX_REASON_CHARS = 300
const NO_ROOM_NOW = 'its disk is full: waits for room'

export interface HostTaskDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly store: BlobStore
  readonly transfers: Transfers
  readonly images: ImageSource
  /** What this host's store could still take. */
  readonly freeBytes: () => Promise<number>
  readonly pins: Pick<Pins, 'pinPlanned' | 'unpinJob'>
  readonly loader: (runtime: LoadRuntime) => ImageLoader
  readonly budget: HostBudget
}

/** What is kept of a task on this host's disk. */
export interface TaskProgress {
  readonly state: HostState
  readonly reason: string | null
  readonly moved: MovedBytes
}

/** One job's work on this host: manifests, blobs, pins, the runtime. Safe to do again from the start: what is here is not fetched. */
export class HostTask {
  readonly #deps: HostTaskDeps
  readonly #part: BudgetPart
  readonly #moved: Record<keyof MovedBytes, number>
  /** Places in the plan. */
  readonly #places: ReadonlyMap<Digest, number>
  /** The most that was ever seen of each blob: progress does not go back. */
  readonly #seen: Float64Array
  /** Blobs that there is no room for now. */
  readonly #roomless = new Set<Digest>()
  #pinning: Promise<void> = Promise.resolve()
  #task: Task
  #state: HostState
  #reason: string | null

  constructor(task: Task, progress: TaskProgress, deps: HostTaskDeps) {
    this.#task = task
    this.#deps = deps
    this.#state = progress.state
    this.#reason = progress.reason
    this.#moved = { ...progress.moved }
    this.#places = new Map(task.plan.blobs.map(({ digest }, i) => [digest, i]))
    const stored = new Map(deps.store.list().map(({ digest, storedBytes }) => [digest, storedBytes]))
    this.#seen = Float64Array.from(task.plan.blobs, ({ digest }) => stored.get(digest) ?? 0)
    this.#part = deps.budget.part(() => this.#task)
  }

  get task(): Task {
    return this.#task
  }

  get progress(): TaskProgress {
    return { state: this.#state, reason: this.#reason, moved: { ...this.#moved } }
  }

  /** Whether there is nothing more to do. */
  get ended(): boolean {
    return this.#state === 'ready' || this.#state === 'failed' || this.#state === 'skipped'
  }

  /** Takes over what changed; the plan of a job never does. */
  update(task: Task): void {
    this.#task = task
  }

  /** Content came for some transfer of this host. Returns whether this job wants it. */
  came(digest: Digest, from: keyof MovedBytes, bytes: number): boolean {
    if (!this.#places.has(digest)) return false
    this.#moved[from] += bytes
    this.#part.came(bytes)
    return true
  }

  report(): HostReport {
    const { plan, revision } = this.#task
    const blobs = new Bitfield(plan.blobs.length)
    for (const transfer of this.#part.running.values()) this.#noteSeen(transfer)
    for (const [i, { digest, size }] of plan.blobs.entries()) {
      if (!this.#deps.store.isKept(digest)) continue
      blobs.set(i)
      this.#seen[i] = size
    }
    const haveBytes = this.#seen.reduce((sum, bytes) => sum + bytes, 0)
    const { state, reason, moved } = this.progress
    const isShort = reason === null && this.#roomless.size > 0
    return {
      revision,
      state,
      haveBytes,
      moved,
      blobs: blobs.toBytes(),
      reason: isShort ? NO_ROOM_NOW : (reason ?? undefined),
    }
  }

  /** Does what is left to do. Ends in ready, failed or skipped, or rejects with the signal's reason. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      const { missingBytes } = needOf(this.#task.plan, this.#deps.store)
      if (missingBytes > 0 && missingBytes > (await this.#deps.freeBytes())) {
        return this.#enter('skipped', 'no room on its disk')
      }
      this.#enter('moving')
      await this.repin(signal)
      await this.#fetchManifests(signal)
      await this.#fetchBlobs(signal)
      if (this.#task.load !== null) await this.#load(this.#task.load, signal)
      this.#enter('ready')
    } catch (error) {
      if (signal.aborted) throw signal.reason
      this.#deps.logger.warn({ job: this.#task.job, err: error }, 'a prewarm job failed on this host')
      this.#enter('failed', reasonOf(error))
    }
  }

  /** Pins the images for as long as the job says now, or no longer. One at a time: the last word holds. */
  repin(signal: AbortSignal): Promise<void> {
    const done = this.#pinning.then(() => this.#pin(signal))
    this.#pinning = done.catch(() => {})
    return done
  }

  async #pin(signal: AbortSignal): Promise<void> {
    const { pins } = this.#deps
    const { job, plan, pinUntilEpochMs } = this.#task
    if (pinUntilEpochMs === null) return pins.unpinJob(job)
    for (const image of plan.images) {
      const pin = (): Promise<void> => pins.pinPlanned(job, image, pinUntilEpochMs, signal)
      await this.#patiently(`pinning ${image.reference}`, signal, pin)
    }
  }

  async #fetchManifests(signal: AbortSignal): Promise<void> {
    const { images } = this.#deps
    const { plan, resolvedEpochMs } = this.#task
    for (const { upstream, repository, tag, digest, manifests, reference } of plan.images) {
      for (const one of manifests) {
        const target = { kind: 'digest', digest: one } as const
        const ask = (): Promise<unknown> => images.manifest({ upstream, repository, target }, signal)
        await this.#patiently(`the manifest of ${reference}`, signal, ask)
      }
      if (tag !== null) await images.rememberTag({ upstream, repository, tag }, digest, resolvedEpochMs)
    }
  }

  /** All of them, some at a time, in the plan's order. */
  async #fetchBlobs(signal: AbortSignal): Promise<void> {
    const failed = new AbortController()
    const both = AbortSignal.any([signal, failed.signal])
    const left = this.#task.plan.blobs.values()
    const pacing = this.#pace(both)
    const fetchSome = async (): Promise<void> => {
      for (const blob of left) await this.#fetchBlob(blob, both)
    }
    try {
      await Promise.all(Array.from({ length: BLOBS_AT_ONCE }, fetchSome))
    } finally {
      failed.abort(abortError('the others are not waited for'))
      await pacing
      for (const transfer of this.#part.running.values()) this.#noteSeen(transfer)
      this.#part.clear()
      this.#roomless.clear()
    }
  }

  async #fetchBlob({ digest, size, image }: PlannedBlob, signal: AbortSignal): Promise<void> {
    const { store, transfers } = this.#deps
    const { images } = this.#task.plan
    const { upstream, repository, reference } = images[image] ?? images[0]!
    const place = this.#places.get(digest)!
    // what has lain here for long may have rotted: a host that says "ready" has looked; what is damaged is dropped, and missing then
    if (store.size(digest) !== undefined) await checkBlob(store, digest, async () => signal.throwIfAborted())
    let lastBytes = -1
    const ask = async (): Promise<void> => {
      if (store.isKept(digest)) {
        this.#roomless.delete(digest)
        return
      }
      const limit = this.#deps.budget.isFree(this.#task) ? undefined : 0
      const opened = await transfers.open({ upstream, repository, digest, size, background: true, limit }, signal)
      this.#roomless.delete(digest)
      if (opened.kind === 'refused') throw errorOf(opened)
      if (opened.kind === 'bytes' || (opened.kind === 'stored' && !store.isKept(digest)))
        throw new ShoalError('STORE_DISK_FULL', 'no room for it')
      if (opened.kind === 'transfer') await this.#follow(opened.transfer, signal)
    }
    // a blob that goes on coming is not given up
    const isAlive = (error: unknown): boolean => {
      if (isShoalError(error, 'STORE_DISK_FULL')) this.#roomless.add(digest)
      else this.#roomless.delete(digest)
      const grew = this.#seen[place]! > lastBytes
      lastBytes = this.#seen[place]!
      return grew
    }
    try {
      await this.#patiently(digest, signal, ask, isAlive)
    } catch (error) {
      signal.throwIfAborted()
      throw isShoalError(error) ? named(error, reference, digest) : error
    }
  }

  async #follow(transfer: Transfer, signal: AbortSignal): Promise<void> {
    const { store } = this.#deps
    signal.throwIfAborted()
    this.#part.begin(transfer)
    await transferEnded(transfer, signal)
    this.#noteSeen(transfer)
    this.#part.end(transfer)
    if (!store.isKept(transfer.digest)) {
      throw transfer.failure ?? new ShoalError('UNAVAILABLE', 'the transfer was stopped')
    }
  }

  /** Tries again while it may help: with growing waits, and for this long without progress. */
  async #patiently(
    what: string,
    signal: AbortSignal,
    attempt: () => Promise<unknown>,
    isAlive: (error: unknown) => boolean = () => false,
  ): Promise<void> {
    const { clock } = this.#deps
    let aliveAt = clock.now()
    let waitMs = RETRY_FIRST_MS
    for (let tries = 1; ; tries++) {
      try {
        await attempt()
        return
      } catch (error) {
        signal.throwIfAborted()
        if (isAlive(error)) aliveAt = clock.now()
        const isFinal = isShoalError(error, 'STORE_FAILED', 'CONTENT_CORRUPT')
        const isNo = isShoalError(error, 'ORIGIN_UNKNOWN', 'ORIGIN_DENIED', 'REFERENCE_INVALID')
        if (isFinal || (isNo && tries >= UNKNOWN_TRIES) || clock.now() - aliveAt > GIVE_UP_MS) throw error
        this.#deps.logger.debug({ what, err: error, waitMs }, 'trying again')
      }
      await sleep(clock, waitMs, signal)
      waitMs = Math.min(RETRY_MOST_MS, waitMs * 2)
    }
  }

  /** Keeps to what may be asked for. Never rejects. */
  async #pace(signal: AbortSignal): Promise<void> {
    const { clock, budget } = this.#deps
    while (!signal.aborted) {
      budget.divide()
      await sleep(clock, PACE_EVERY_MS, signal).catch(() => {})
    }
  }

  async #load(runtime: LoadRuntime, signal: AbortSignal): Promise<void> {
    this.#enter('loading')
    const loader = this.#deps.loader(runtime)
    for (const image of this.#task.plan.images) await loader.load(image, signal)
  }

  #enter(state: HostState, reason: string | null = null): void {
    this.#state = state
    this.#reason = reason
  }

  #noteSeen({ digest, layout, partial }: Transfer): void {
    const place = this.#places.get(digest)!
    const bytes = Math.min(layout.size, partial.have.count * layout.pieceSize)
    this.#seen[place] = Math.max(this.#seen[place]!, bytes)
  }
}

/** A failure with the image and the blob that it is about. */
function named({ code, message, details }: ShoalError, reference: string, digest: Digest): ShoalError {
  const what = message.includes(digest) ? reference : `${reference}: ${digest}`
  return new ShoalError(code, `${what}: ${message}`, { details })
}

/** What people read, the same words for the same failure on every host: grouped by them. */
function reasonOf(error: unknown): string {
  if (isShoalError(error, 'STORE_DISK_FULL')) return 'its disk filled up'
  return errorText(error).slice(0, MAX_REASON_CHARS)
}

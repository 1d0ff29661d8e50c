import { raceAbort, sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobStore } from '../store/index.ts'
import type { Transfer, Transfers } from '../transfer/index.ts'
import type { HostReport, HostState, ImageSource, MovedBytes, PlannedBlob, PlannedImage } from './interface.ts'
import type { Task } from './letters.ts'
import type { ImageLoader } from './loader.ts'
import { needOf } from './need.ts'
import { Pacer } from './pacer.ts'

/** Blobs on the way at the same time: enough to keep a link busy, few enough that the first ones are done soon. */
const BLOBS_AT_ONCE = 8
const PACE_EVERY_MS = 100
const RETRY_FIRST_MS = 1_000
const RETRY_MOST_MS = 30_000
/** So long without a byte of a blob, and the host has failed. */
const GIVE_UP_MS = 3 * 60_000
/** An upstream that says "no such blob" is asked again: it may be a cache that has not heard of it. */
const UNKNOWN_TRIES = 3

export interface HostTaskDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly store: BlobStore
  readonly transfers: Transfers
  readonly images: ImageSource
  /** What this host's store could still take. */
  readonly freeBytes: () => Promise<number>
  /** Keeps an image from eviction. */
  readonly pin: (image: PlannedImage, untilEpochMs: number, signal: AbortSignal) => Promise<void>
  readonly loader: (runtime: NonNullable<Task['load']>) => ImageLoader
  /** This host's own rate for all prewarm work, bytes per second; 0 = unlimited. */
  readonly hostRate: () => number
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
  /** Something is to be told. */
  readonly changed: () => void
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
  readonly #pacers: { readonly job: Pacer; readonly host: Pacer }
  readonly #moved: Record<keyof MovedBytes, number>
  readonly #blobs: ReadonlyMap<Digest, PlannedBlob>
  readonly #running = new Map<Digest, Transfer>()
  /** The most that was ever seen of each blob: progress does not go back. */
  readonly #seen: Float64Array
  #task: Task
  #state: HostState
  #reason: string | null
  #resolvedEpochMs: number

  constructor(task: Task, progress: TaskProgress, deps: HostTaskDeps) {
    this.#task = task
    this.#deps = deps
    this.#state = progress.state
    this.#reason = progress.reason
    this.#moved = { ...progress.moved }
    this.#blobs = new Map(task.plan.blobs.map((blob) => [blob.digest, blob]))
    this.#seen = new Float64Array(task.plan.blobs.length)
    this.#resolvedEpochMs = deps.now()
    const now = deps.clock.now()
    this.#pacers = { job: new Pacer(now), host: new Pacer(now) }
    this.#lookAtPartials()
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

  /** Content came for some transfer of this host. */
  came(digest: Digest, from: keyof MovedBytes, bytes: number): void {
    if (!this.#blobs.has(digest)) return
    this.#moved[from] += bytes
    this.#pacers.job.came(bytes)
    this.#pacers.host.came(bytes)
  }

  report(): HostReport {
    const { blobs } = this.#task.plan
    const done = new Uint8Array(Math.ceil(blobs.length / 8))
    let haveBytes = 0
    for (const [i, { digest, size }] of blobs.entries()) {
      const isDone = this.#deps.store.size(digest) !== undefined
      if (isDone) done[i >> 3]! |= 1 << (i & 7)
      const transfer = this.#running.get(digest)
      const now = isDone ? size : transfer === undefined ? 0 : haveOf(transfer)
      this.#seen[i] = Math.max(this.#seen[i]!, now)
      haveBytes += this.#seen[i]!
    }
    const { revision } = this.#task
    const base = { revision, state: this.#state, haveBytes, moved: { ...this.#moved }, blobs: done }
    return this.#reason === null ? base : { ...base, reason: this.#reason }
  }

  /** Does what is left to do. Ends in ready, failed or skipped, or rejects with the signal's reason. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      const missing = await this.#roomless()
      if (missing !== undefined) return this.#end('skipped', missing)
      this.#enter('moving')
      await this.#pin(signal)
      await this.#fetchManifests(signal)
      await this.#fetchBlobs(signal)
      if (this.#task.load !== null) await this.#load(this.#task.load, signal)
      this.#end('ready', null)
    } catch (error) {
      if (signal.aborted) {
        // what is under way is not stopped by letting go of it
        for (const transfer of this.#running.values()) this.#deps.transfers.limit(transfer, 0)
        throw signal.reason
      }
      this.#deps.logger.warn({ job: this.#task.job, err: errorText(error) }, 'a prewarm job failed on this host')
      this.#end('failed', reasonOf(error))
    }
  }

  /** Pins anew, after the job's time for it changed. */
  async repin(signal: AbortSignal): Promise<void> {
    await this.#pin(signal)
  }

  /** Why this host cannot take part; undefined when it can. */
  async #roomless(): Promise<string | undefined> {
    const { missingBytes } = needOf(this.#task.plan, this.#deps.store)
    if (missingBytes === 0) return undefined
    return missingBytes > (await this.#deps.freeBytes()) ? 'no room on its disk' : undefined
  }

  async #pin(signal: AbortSignal): Promise<void> {
    const { plan, pinUntilEpochMs } = this.#task
    if (pinUntilEpochMs === null) return
    for (const image of plan.images) {
      await this.#patiently(`pinning ${image.reference}`, signal, () => this.#deps.pin(image, pinUntilEpochMs, signal))
    }
  }

  async #fetchManifests(signal: AbortSignal): Promise<void> {
    const { images } = this.#deps
    for (const { upstream, repository, tag, digest, manifests, reference } of this.#task.plan.images) {
      for (const one of manifests) {
        const target = { kind: 'digest', digest: one } as const
        const ask = (): Promise<unknown> => images.manifest({ upstream, repository, target }, signal)
        await this.#patiently(`the manifest of ${reference}`, signal, ask)
      }
      if (tag !== null) await images.rememberTag({ upstream, repository, tag }, digest, this.#resolvedEpochMs)
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
      failed.abort(new DOMException('the others are not waited for', 'AbortError'))
      await pacing
    }
  }

  async #fetchBlob(blob: PlannedBlob, signal: AbortSignal): Promise<void> {
    const image = this.#task.plan.images[blob.image]
    if (image === undefined) throw new ShoalError('UNAVAILABLE', 'the plan does not say whose a blob is')
    const { upstream, repository } = image
    let lastBytes = -1
    const ask = async (): Promise<void> => {
      if (this.#deps.store.size(blob.digest) !== undefined) return
      const limit = this.#limited ? 0 : undefined
      const request = { upstream, repository, digest: blob.digest, size: blob.size, background: true, limit }
      const opened = await this.#deps.transfers.open(request, signal)
      if (opened.kind === 'refused') {
        throw new ShoalError(opened.reason === 'unavailable' ? 'UNAVAILABLE' : 'ORIGIN_DENIED', opened.message)
      }
      if (opened.kind === 'bytes') throw new ShoalError('STORE_DISK_FULL', 'no room on its disk')
      if (opened.kind === 'transfer') await this.#follow(opened.transfer, signal)
    }
    // a blob that goes on coming is not given up
    const isAlive = (): boolean => {
      const bytes = this.#seenOf(blob.digest)
      const grew = bytes > lastBytes
      lastBytes = bytes
      return grew
    }
    await this.#patiently(blob.digest, signal, ask, isAlive)
    this.#deps.changed()
  }

  async #follow(transfer: Transfer, signal: AbortSignal): Promise<void> {
    using _hold = transfer.hold()
    this.#running.set(transfer.digest, transfer)
    try {
      if (!this.#limited) this.#deps.transfers.limit(transfer, undefined)
      await raceAbort(closed(transfer), signal)
      if (this.#deps.store.size(transfer.digest) === undefined) {
        throw transfer.failure ?? new ShoalError('UNAVAILABLE', 'the transfer was stopped')
      }
    } finally {
      this.#noteSeen(transfer)
      if (!signal.aborted) this.#running.delete(transfer.digest)
    }
  }

  /** Tries again while it may help: with growing waits, and for so long without progress. */
  async #patiently(
    what: string,
    signal: AbortSignal,
    attempt: () => Promise<unknown>,
    isAlive: () => boolean = () => false,
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
        if (isAlive()) aliveAt = clock.now()
        const isFinal = isShoalError(error, 'STORE_DISK_FULL', 'STORE_FAILED', 'CONTENT_CORRUPT')
        const isNo = isShoalError(error, 'ORIGIN_DENIED', 'PREWARM_IMPOSSIBLE', 'REFERENCE_INVALID')
        if (isFinal || (isNo && tries >= UNKNOWN_TRIES) || clock.now() - aliveAt > GIVE_UP_MS) throw error
        this.#deps.logger.debug({ what, err: errorText(error), waitMs }, 'trying again')
      }
      await sleep(clock, waitMs, signal)
      waitMs = Math.min(RETRY_MOST_MS, waitMs * 2)
    }
  }

  get #limited(): boolean {
    return this.#task.rateBytesPerSec > 0 || this.#deps.hostRate() > 0
  }

  /** Divides what may be asked for now among the blobs under way, the first first. Never rejects. */
  async #pace(signal: AbortSignal): Promise<void> {
    const { clock, transfers } = this.#deps
    while (!signal.aborted) {
      const now = clock.now()
      this.#pacers.job.setRate(this.#task.rateBytesPerSec, now)
      this.#pacers.host.setRate(this.#deps.hostRate(), now)
      let left = Math.min(this.#pacers.job.allowance(now), this.#pacers.host.allowance(now))
      for (const transfer of this.#running.values()) {
        const { layout, partial } = transfer
        const pieces = Math.floor(left / layout.pieceSize)
        transfers.limit(transfer, this.#limited ? partial.have.count + pieces : undefined)
        left -= Math.min(pieces, layout.count - partial.have.count) * layout.pieceSize
      }
      this.#deps.changed()
      await sleep(clock, PACE_EVERY_MS, signal).catch(() => {})
    }
  }

  async #load(runtime: NonNullable<Task['load']>, signal: AbortSignal): Promise<void> {
    this.#enter('loading')
    await using loader = this.#deps.loader(runtime)
    for (const { upstream, repository, tag, digest } of this.#task.plan.images) {
      for await (const _progress of loader.load({ upstream, repository, tag, digest }, signal)) this.#deps.changed()
    }
  }

  #enter(state: HostState): void {
    this.#state = state
    this.#reason = null
    this.#deps.changed()
  }

  #end(state: HostState, reason: string | null): void {
    this.#state = state
    this.#reason = reason
    this.#running.clear()
    this.#deps.changed()
  }

  #lookAtPartials(): void {
    const partials = new Map(this.#deps.store.list().map(({ digest, storedBytes }) => [digest, storedBytes]))
    for (const [i, { digest }] of this.#task.plan.blobs.entries()) this.#seen[i] = partials.get(digest) ?? 0
  }

  #seenOf(digest: Digest): number {
    const i = this.#task.plan.blobs.findIndex((blob) => blob.digest === digest)
    return i < 0 ? 0 : this.#seen[i]!
  }

  #noteSeen(transfer: Transfer): void {
    const i = this.#task.plan.blobs.findIndex((blob) => blob.digest === transfer.digest)
    if (i >= 0) this.#seen[i] = Math.max(this.#seen[i]!, haveOf(transfer))
  }
}

function haveOf({ layout, partial }: Transfer): number {
  return Math.min(layout.size, partial.have.count * layout.pieceSize)
}

/** Resolves when the transfer has ended, however. */
function closed({ signal }: Transfer): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** What people read, the same words for the same failure on every host: grouped by them. */
function reasonOf(error: unknown): string {
  if (isShoalError(error, 'STORE_DISK_FULL')) return 'its disk filled up'
  return errorText(error).slice(0, 300)
}

import type { Clock } from '../base/clock.ts'
import { RateLimiter } from '../base/rate-limiter.ts'
import type { Digest } from '../oci/digest.ts'
import type { Transfers } from '../transfer/index.ts'
import type { Plan } from './interface.ts'
import { isLive } from './job.ts'
import type { JobStore } from './job-store.ts'

interface OriginUsageDeps {
  readonly clock: Clock
  readonly transfers: Pick<Transfers, 'listen' | 'paceOrigin'>
  readonly jobStore: Pick<JobStore, 'get'>
  /** False where the one host of the jobs counts what it reads itself: a host that is its own tier. */
  readonly counts: boolean
}

interface Usage {
  bytes: number
  readonly limiter: RateLimiter
}

/** What this cache reads from origins for jobs, by their blobs, whoever asks for them: counted, and held to the jobs' rates. */
export class OriginUsage implements Disposable {
  readonly #deps: OriginUsageDeps
  readonly #usages = new Map<string, Usage>()
  readonly #jobs = new Map<Digest, Set<string>>()
  #listening: Disposable | undefined

  constructor(deps: OriginUsageDeps) {
    this.#deps = deps
  }

  start(): void {
    const { transfers } = this.#deps
    this.#listening = transfers.listen((digest, from, bytes) => {
      if (from === 'origin' && this.#deps.counts) this.#count(digest, bytes)
    })
    transfers.paceOrigin((digest) => this.#limiterOf(digest))
  }

  [Symbol.dispose](): void {
    this.#listening?.[Symbol.dispose]()
    this.#deps.transfers.paceOrigin(undefined)
  }

  open(id: string): void {
    if (!this.#usages.has(id)) this.#usages.set(id, { bytes: 0, limiter: new RateLimiter(this.#deps.clock, 0) })
  }

  /** What is read of these blobs is the job's from now on. */
  watch(id: string, { blobs }: Plan): void {
    for (const { digest } of blobs) this.#jobs.set(digest, (this.#jobs.get(digest) ?? new Set()).add(id))
  }

  /** No longer. */
  unwatch(id: string, { blobs }: Plan): void {
    for (const { digest } of blobs) {
      const jobs = this.#jobs.get(digest)
      jobs?.delete(id)
      if (jobs?.size === 0) this.#jobs.delete(digest)
    }
  }

  /** What was counted before. */
  restore(id: string, bytes: number): void {
    const usage = this.#usages.get(id)
    if (usage !== undefined) usage.bytes += bytes
  }

  delete(id: string): void {
    this.#usages.delete(id)
  }

  bytes(id: string): number {
    return this.#usages.get(id)?.bytes ?? 0
  }

  setRate(id: string, bytesPerSec: number): void {
    const limiter = this.#usages.get(id)?.limiter
    if (limiter !== undefined && limiter.bytesPerSec !== bytesPerSec) limiter.setRate(bytesPerSec)
  }

  /** For the jobs that still move this blob: what anybody reads afterwards is not theirs. */
  #count(digest: Digest, bytes: number): void {
    const { jobStore, clock } = this.#deps
    for (const id of this.#jobs.get(digest) ?? []) {
      const row = jobStore.get(id)
      const usage = this.#usages.get(id)
      if (row === undefined || usage === undefined) continue
      if (isLive(row, clock.wall())) usage.bytes += bytes
    }
  }

  #limiterOf(digest: Digest): RateLimiter | undefined {
    const ids = [...(this.#jobs.get(digest) ?? [])]
    const running = ids.find((id) => this.#deps.jobStore.get(id)?.state === 'running')
    return running === undefined ? undefined : this.#usages.get(running)?.limiter
  }
}

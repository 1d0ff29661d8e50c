import type { Clock } from '../base/clock.ts'
import { RateLimiter } from '../base/rate-limiter.ts'
import type { Digest } from '../oci/digest.ts'
import type { Transfers } from '../transfer/index.ts'
import type { Plan } from './interface.ts'
import { isLive } from './job.ts'
import type { JobBook } from './job-book.ts'

export interface OriginAccountDeps {
  readonly clock: Clock
  readonly transfers: Pick<Transfers, 'listen' | 'paceOrigin'>
  readonly book: Pick<JobBook, 'get'>
  /** False where the one host of the jobs counts what it reads itself: a host that is its own tier. */
  readonly counts: boolean
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

interface Account {
  bytes: number
  readonly limiter: RateLimiter
}

/** What this cache reads from origins for jobs, by their blobs, whoever asks for them: counted, and held to the jobs' rates. */
export class OriginAccount implements Disposable {
  readonly #deps: OriginAccountDeps
  readonly #accounts = new Map<string, Account>()
  readonly #jobs = new Map<Digest, Set<string>>()
  #listening: Disposable | undefined

  constructor(deps: OriginAccountDeps) {
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
    if (!this.#accounts.has(id)) this.#accounts.set(id, { bytes: 0, limiter: new RateLimiter(this.#deps.clock, 0) })
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
    const account = this.#accounts.get(id)
    if (account !== undefined) account.bytes += bytes
  }

  delete(id: string): void {
    this.#accounts.delete(id)
  }

  bytes(id: string): number {
    return this.#accounts.get(id)?.bytes ?? 0
  }

  setRate(id: string, bytesPerSec: number): void {
    const limiter = this.#accounts.get(id)?.limiter
    if (limiter !== undefined && limiter.bytesPerSec !== bytesPerSec) limiter.setRate(bytesPerSec)
  }

  /** For the jobs that still move this blob: what anybody reads afterwards is not theirs. */
  #count(digest: Digest, bytes: number): void {
    const { book, now } = this.#deps
    for (const id of this.#jobs.get(digest) ?? []) {
      const row = book.get(id)
      const account = this.#accounts.get(id)
      if (row === undefined || account === undefined) continue
      if (isLive(row, now())) account.bytes += bytes
    }
  }

  #limiterOf(digest: Digest): RateLimiter | undefined {
    const ids = [...(this.#jobs.get(digest) ?? [])]
    const running = ids.find((id) => this.#deps.book.get(id)?.state === 'running')
    return running === undefined ? undefined : this.#accounts.get(running)?.limiter
  }
}

import type { ControllerDeps } from './controller-deps.ts'
import type { JobRow, Plan, Tally } from './interface.ts'
import type { Inventory } from './inventory.ts'
import { isLive } from './job.ts'
import type { JobStore } from './job-store.ts'
import { OriginUsage } from './origin-usage.ts'
import { PlanStore } from './plan-store.ts'
import { Rollout } from './rollout.ts'
import type { KnownTallies } from './tallies.ts'
import { RateWindow } from './views.ts'

/** Hosts of a job that has ended are told so for this long, whether they speak or not. */
const TELL_END_MS = 10 * 60_000

/** What is known of a job beside its row. */
interface KnownJob extends KnownTallies {
  readonly tallies: Map<string, Tally>
  readonly rate: RateWindow
}

interface KnownJobsDeps extends ControllerDeps {
  readonly jobStore: JobStore
  readonly inventory: Inventory
}

/** All that a cache has of its jobs beside their rows: plans, hosts, what was read for them. Each ages, and is forgotten. */
export class KnownJobs {
  readonly plans: PlanStore
  readonly origin: OriginUsage
  readonly #deps: KnownJobsDeps
  readonly #jobs = new Map<string, KnownJob>()

  constructor(deps: KnownJobsDeps) {
    this.#deps = deps
    this.origin = new OriginUsage({ ...deps, counts: deps.messenger.self.role === 'cache' })
    this.plans = new PlanStore(deps.store, this.origin)
  }

  get(id: string): KnownJob | undefined {
    return this.#jobs.get(id)
  }

  all(): Iterable<KnownJob> {
    return this.#jobs.values()
  }

  open(row: JobRow): void {
    const { clock, messenger, inventory } = this.#deps
    const rollout = new Rollout(row, { clock, messenger, inventory })
    this.#jobs.set(row.id, { rollout, tallies: new Map(), rate: new RateWindow(clock) })
    this.origin.open(row.id)
  }

  /** Whether a job with this plan can be under way beside the others; those that have just ended make room for it. */
  hasRoom(plan: Plan): boolean {
    for (const row of this.#deps.jobStore.oldestEnded()) {
      if (this.plans.hasRoom(plan)) return true
      if (!this.#isLive(row)) this.#release(row.id)
    }
    return this.plans.hasRoom(plan)
  }

  /** What this cache's disk says of a job's hosts, put beside what others have said meanwhile: all at once, so that nobody sees a part. */
  async recall(id: string): Promise<void> {
    const { jobStore, messenger } = this.#deps
    const { roster, ended, originBytes } = await jobStore.knownHosts(id)
    const rollout = this.#jobs.get(id)?.rollout
    this.origin.restore(id, originBytes)
    rollout?.fetched(messenger.self.key, this.origin.bytes(id))
    if (roster !== undefined) rollout?.learnRoster(roster)
    for (const [key, report] of ended) rollout?.restore({ key, name: key }, report)
  }

  /**
   * Whether there is something to do for it. When it has ended, hosts must still be told so for a while; one that comes back
   * later hears it when it speaks.
   */
  isActive(row: JobRow): boolean {
    return this.#isLive(row) || this.#deps.clock.wall() - row.changedEpochMs < TELL_END_MS
  }

  /** Nothing more is done with jobs that have ended. */
  releaseEnded(): void {
    for (const row of this.#deps.jobStore.all()) if (!this.isActive(row)) this.#release(row.id)
  }

  /**
   * Forgets jobs that are over for long, and the oldest of those that have ended where there are too many, or too many hosts
   * of them. Returns which.
   */
  async forgetOld(): Promise<ReadonlySet<string>> {
    const { jobStore, clock } = this.#deps
    const crowd = jobStore.crowd((id) => this.#jobs.get(id)?.rollout.size ?? 0)
    const gone = new Set([...jobStore.expired(clock.wall()), ...crowd].map(({ id }) => id))
    for (const id of gone) {
      this.#jobs.delete(id)
      this.origin.delete(id)
      await this.noted(Promise.all([jobStore.forget(id), this.plans.forget(id)]), 'an old job cannot be forgotten')
    }
    return gone
  }

  /** Waits for work whose failure is worth a line in the log, and no more. Never rejects. */
  async noted(work: Promise<unknown>, failure: string): Promise<void> {
    try {
      await work
    } catch (error) {
      this.#deps.logger.warn({ err: error }, failure)
    }
  }

  #isLive(row: JobRow): boolean {
    return isLive(row, this.#deps.clock.wall())
  }

  #release(id: string): void {
    if (this.plans.held(id) === undefined) return
    this.plans.release(id)
    this.#jobs.get(id)?.rollout.release()
  }
}

import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { HostReport } from './interface.ts'
import { isLive } from './job.ts'
import type { JobStore } from './job-store.ts'
import type { PrewarmMessenger } from './requests.ts'

/** A job that hosts speak of, and of which no cache has told this one for this long, is run by nobody. */
const UNKNOWN_MS = 60_000
const REMEMBERED_MS = 10 * 60_000
const MAX_UNKNOWN = 1_024

interface LeasesDeps {
  readonly clock: Clock
  readonly jobStore: Pick<JobStore, 'get'>
  readonly messenger: Pick<PrewarmMessenger, 'send'>
}

/** Whether jobs are still run, as far as this cache knows: hosts that are at work for one that is not are told to stop. */
export class Leases {
  readonly #deps: LeasesDeps
  /** Since when hosts have spoken of jobs that are not known here. */
  readonly #unknown: ExpiringMap<number>

  constructor(deps: LeasesDeps) {
    this.#deps = deps
    this.#unknown = new ExpiringMap(deps.clock, MAX_UNKNOWN)
  }

  /** Returns a host that asks whether it may go on; says nothing while that is not known. */
  answer(host: string, job: string): void {
    const runs = this.#runs(job)
    if (runs !== undefined) this.#deps.messenger.send(host, { kind: 'standing', job, runs })
  }

  /** Whether a report is of a host that is at work for a job which is over; it is told so. */
  stops(host: string, job: string, { state }: HostReport): boolean {
    const isAtWork = state === 'waiting' || state === 'moving' || state === 'loading'
    if (!isAtWork || this.#runs(job) !== false) return false
    this.#deps.messenger.send(host, { kind: 'standing', job, runs: false })
    return true
  }

  /** Undefined while it cannot be said: the job's row may be on its way. */
  #runs(id: string): boolean | undefined {
    const { jobStore, clock } = this.#deps
    const row = jobStore.get(id)
    if (row !== undefined) return isLive(row, clock.wall())
    const since = this.#unknown.get(id) ?? clock.now()
    this.#unknown.set(id, since, REMEMBERED_MS)
    return clock.now() - since < UNKNOWN_MS ? undefined : false
  }
}

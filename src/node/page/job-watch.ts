import type { JobHost, PageJob } from '../../admin/index.ts'
import type { Clock } from '../../base/clock.ts'
import { errorText } from '../../base/errors.ts'
import type { HostView, PrewarmView } from '../../prewarm/index.ts'
import { amountText, isFinal } from '../../prewarm/index.ts'

const ASK_EVERY_MS = 2_000
const ASK_TIMEOUT_MS = 10_000
const MOST_JOBS = 12
/** Jobs whose hosts are looked at, one by one. */
const MOST_FOLLOWED = 4
const MOST_SLOWEST = 12

export interface JobSource {
  list(signal: AbortSignal): Promise<readonly PrewarmView[]>
  hosts(id: string, signal: AbortSignal): Promise<readonly HostView[]>
}

interface KnownJobs {
  readonly jobs: readonly PageJob[]
  readonly problem: string | null
}

/**
 * The fleet's prewarm jobs, as they were known a moment ago. Asking for them may need other hosts' responses: it is done beside, by
 * one question at a time, and only while somebody looks.
 */
export class JobWatch {
  readonly #clock: Pick<Clock, 'now'>
  readonly #source: JobSource
  #known: KnownJobs = { jobs: [], problem: 'the caches are being asked' }
  #asked = Number.NEGATIVE_INFINITY
  #isAsking = false

  constructor(clock: Pick<Clock, 'now'>, source: JobSource) {
    this.#clock = clock
    this.#source = source
  }

  look(): KnownJobs {
    if (!this.#isAsking && this.#clock.now() - this.#asked >= ASK_EVERY_MS) void this.#ask()
    return this.#known
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    this.#isAsking = true
    try {
      this.#known = { jobs: await this.#find(AbortSignal.timeout(ASK_TIMEOUT_MS)), problem: null }
    } catch (error) {
      this.#known = { ...this.#known, problem: errorText(error) }
    } finally {
      this.#asked = this.#clock.now()
      this.#isAsking = false
    }
  }

  async #find(signal: AbortSignal): Promise<PageJob[]> {
    const jobs = (await this.#source.list(signal)).toSorted(nowFirst).slice(0, MOST_JOBS)
    const followed = jobs.filter(({ state }) => !isFinal(state)).slice(0, MOST_FOLLOWED)
    const hosts = new Map<string, readonly HostView[]>()
    for (const { id } of followed) hosts.set(id, await this.#source.hosts(id, signal))
    return jobs.map((job) => pageJob(job, hosts.get(job.id) ?? []))
  }
}

function pageJob(job: PrewarmView, hosts: readonly HostView[]): PageJob {
  const { id, state, reason, images, bytes, bytesPerSec, etaSeconds, seconds, endedEpochMs, wave, reasons } = job
  const atWork = hosts.filter((host) => host.state === 'moving' || host.state === 'loading').map(jobHost)
  return {
    id,
    state,
    reason,
    priority: job.spec.priority,
    images: images.map(({ reference }) => ({ reference })),
    hosts: job.hosts,
    bytes,
    bytesPerSec,
    etaSeconds,
    seconds,
    endedEpochMs,
    wave,
    waves: job.spec.waves.map(amountText),
    reasons,
    slowest: atWork.toSorted((a, b) => lastsFor(b) - lastsFor(a)).slice(0, MOST_SLOWEST),
  }
}

function jobHost({ key, name, region, state, haveBytes, totalBytes, bytesPerSec }: HostView): JobHost {
  const etaSeconds = bytesPerSec > 0 ? (totalBytes - haveBytes) / bytesPerSec : null
  return { key, name, region, state, haveBytes, totalBytes, bytesPerSec, etaSeconds }
}

function lastsFor({ etaSeconds }: JobHost): number {
  return etaSeconds ?? Number.POSITIVE_INFINITY
}

/** Jobs that run in the order in which hosts work on them, by priority and then the oldest; then the latest of those that have ended. */
function nowFirst(a: PrewarmView, b: PrewarmView): number {
  const latest = b.createdEpochMs - a.createdEpochMs
  const ended = Number(isFinal(a.state)) - Number(isFinal(b.state))
  if (ended !== 0 || isFinal(a.state)) return ended || latest
  return b.spec.priority - a.spec.priority || -latest
}

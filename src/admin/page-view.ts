import type { NodeStatus, Readiness, TransferStatus } from './status.ts'

/*
 * What the page in the browser is sent. Its types are checked together with the page's scripts, under the browser's own types: nothing
 * is imported that the daemon alone understands.
 */

/** What the page shows, all of it at one moment. Whoever may only look gets `own: null`. */
export interface PageView {
  readonly atEpochMs: number
  readonly status: NodeStatus
  readonly readiness: Readiness
  /** Those that have run for longest first, and how many more there are. */
  readonly transfers: readonly PageTransfer[]
  readonly moreTransfers: number
  readonly own: OwnView | null
}

export interface PageTransfer extends TransferStatus {
  /** A digit for each of at most `PICTURE_CELLS` equal parts: 0 = nothing of it is here, 9 = all. */
  readonly picture: string
  /** Whose it is: `docker.io/library/app`; null for whoever may only look. */
  readonly repository: string | null
}

/** What names images, hosts and jobs. */
export interface OwnView {
  readonly zones: readonly ZoneView[]
  readonly jobs: readonly PageJob[]
  /** Why there are no jobs to show; null when they are shown. */
  readonly jobsProblem: string | null
  /** At most a hundred. */
  readonly pins: readonly PagePin[]
}

/** An image that stays here: `job` is the prewarm job that wants it so, null = an operator. */
interface PagePin {
  readonly reference: string
  readonly job: string | null
  readonly untilEpochMs: number
  readonly bytes: number
  readonly presentBytes: number
}

/** The hosts of a zone that this one is linked to, those at work and slow first. */
export interface ZoneView {
  readonly region: string
  readonly zone: string | null
  readonly hosts: number
  readonly sentPerSec: number
  readonly receivedPerSec: number
  readonly slowest: readonly PageHost[]
}

export interface PageHost {
  readonly key: string
  readonly address: string
  readonly role: string
  /** Over its link with this host, over the last seconds. */
  readonly sentPerSec: number
  readonly receivedPerSec: number
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** A prewarm job, as far as people look at it. */
export interface PageJob {
  readonly id: string
  readonly state: string
  readonly reason: string | null
  /** Hosts work on those of the highest first. */
  readonly priority: number
  readonly images: readonly { readonly reference: string }[]
  readonly hosts: Readonly<Record<'total' | JobHostState, number>>
  /** Of all hosts together, and what was read from origins for it. */
  readonly bytes: Readonly<Record<'total' | 'have' | 'moved' | 'origin', number>>
  readonly bytesPerSec: number
  /** By its slowest hosts; null while it is not known. */
  readonly etaSeconds: number | null
  readonly seconds: number
  readonly endedEpochMs: number | null
  /** From 1; `open` hosts may have begun. */
  readonly wave: { readonly number: number; readonly of: number; readonly open: number }
  /** `1, 10%, 100%`. */
  readonly waves: readonly string[]
  /** Why hosts failed, were skipped or wait: some by name. */
  readonly reasons: readonly {
    readonly state: string
    readonly reason: string
    readonly count: number
    readonly hosts: readonly string[]
  }[]
  /** Hosts at work, whoever will be done last first; a job that has ended has none. */
  readonly slowest: readonly JobHost[]
}

type JobHostState = 'waiting' | 'moving' | 'loading' | 'ready' | 'failed' | 'skipped'

export interface JobHost {
  readonly key: string
  readonly name: string
  readonly region: string
  readonly state: JobHostState
  readonly haveBytes: number
  readonly totalBytes: number
  readonly bytesPerSec: number
  /** Null while it receives nothing. */
  readonly etaSeconds: number | null
}

export interface PageSource {
  /** Returns soon: what has to be asked of other hosts is asked beside it, and shown when it is known. */
  view(isOwn: boolean): PageView
}

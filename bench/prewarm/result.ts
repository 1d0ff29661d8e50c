import { quantile } from '../../src/base/quantile.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** What a cache's frames are about, as its metrics tell them apart. */
export const FRAME_KINDS = ['prewarm', 'content', 'call', 'answer', 'upkeep'] as const
export type FrameKind = (typeof FRAME_KINDS)[number]
export const DIRECTIONS = ['received', 'sent'] as const
export type Direction = (typeof DIRECTIONS)[number]

/** Frames and their bytes since the cache began. */
export type Traffic = Readonly<Record<Direction, Readonly<Record<FrameKind, Amounts>>>>
export interface Amounts {
  readonly frames: number
  readonly bytes: number
}

/** The cache at one moment. */
export interface Sample {
  readonly atSeconds: number
  readonly traffic: Traffic
  readonly rssBytes: number
  readonly cpuSeconds: number
  /** Since the sample before. */
  readonly eventLoopP99Ms: number
  /** What reading the metrics took. */
  readonly scrapeMs: number
}

/** What a run saw, in the order of time. */
export interface Observations {
  readonly hosts: number
  readonly blobs: number
  readonly job: {
    readonly state: string
    readonly reason: string | null
    readonly hosts: { readonly ready: number; readonly failed: number; readonly skipped: number }
  }
  /** Blobs that the cache's progress table has, over all hosts. */
  readonly states: number
  /** Before any host was linked; when all were; after a while of nothing. */
  readonly alone: Sample
  readonly linked: Sample
  readonly rested: Sample
  /** From the job's submission to its end, the first and last included. */
  readonly during: readonly Sample[]
  /** When the job was over, and when the hosts had gone. */
  readonly after: Sample
  readonly left: Sample
}

/** Of one host, per second, at the cache. */
export interface Rates {
  readonly received: Amounts
  readonly sent: Amounts
}

export interface PrewarmResult {
  readonly hosts: number
  readonly blobs: number
  readonly states: number
  readonly job: Observations['job']
  readonly seconds: { readonly link: number; readonly job: number }
  /** Per host and second. `job`: messages and upkeep, which a job and its links need; `most`: in its busiest second. */
  readonly perHostSecond: {
    readonly idle: Rates
    readonly job: Rates
    readonly most: Rates
    /** Blobs and manifests: a question and an answer for each, which real hosts ask for real blobs as well. */
    readonly content: Rates
  }
  /** Per host, over the whole job, messages only. */
  readonly messagesPerHost: Rates
  readonly rssMiB: {
    readonly alone: number
    readonly linked: number
    readonly most: number
    readonly after: number
    readonly left: number
  }
  readonly kibPerLink: number
  /** What the job added to the most there was, for each host and blob. */
  readonly bytesPerState: number
  readonly cpuSeconds: { readonly link: number; readonly job: number }
  readonly cpuMsPerLink: number
  readonly eventLoopP99Ms: { readonly median: number; readonly most: number }
  readonly scrapeP99Ms: number
}

const JOB_KINDS: readonly FrameKind[] = ['prewarm', 'upkeep']
const CONTENT_KINDS: readonly FrameKind[] = ['content', 'call', 'answer']

export function prewarmResult(seen: Observations): PrewarmResult {
  const { hosts, blobs, job, states, alone, linked, rested, during, after, left } = seen
  const first = during[0] ?? rested
  const last = during.at(-1) ?? after
  const most = Math.max(...[...during, after].map(({ rssBytes }) => rssBytes))
  const linkCpu = linked.cpuSeconds - alone.cpuSeconds
  return {
    ...{ hosts, blobs, states, job },
    seconds: { link: linked.atSeconds - alone.atSeconds, job: last.atSeconds - first.atSeconds },
    perHostSecond: {
      idle: rates(linked, rested, hosts, FRAME_KINDS),
      job: rates(first, last, hosts, JOB_KINDS),
      most: busiest(during, hosts),
      content: rates(first, last, hosts, CONTENT_KINDS),
    },
    messagesPerHost: scaled(between(first, last, ['prewarm']), 1 / hosts),
    rssMiB: {
      alone: alone.rssBytes / MIB,
      linked: rested.rssBytes / MIB,
      most: most / MIB,
      after: after.rssBytes / MIB,
      left: left.rssBytes / MIB,
    },
    kibPerLink: (rested.rssBytes - alone.rssBytes) / hosts / KIB,
    bytesPerState: Math.max(0, most - rested.rssBytes) / (hosts * blobs),
    cpuSeconds: { link: linkCpu, job: last.cpuSeconds - first.cpuSeconds },
    cpuMsPerLink: (linkCpu * 1000) / hosts,
    eventLoopP99Ms: {
      median: quantile(
        during.map(({ eventLoopP99Ms }) => eventLoopP99Ms),
        0.5,
      ),
      most: Math.max(...during.map(({ eventLoopP99Ms }) => eventLoopP99Ms)),
    },
    scrapeP99Ms: quantile(
      during.map(({ scrapeMs }) => scrapeMs),
      0.99,
    ),
  }
}

/** The most of each figure between two samples in a row. */
function busiest(samples: readonly Sample[], hosts: number): Rates {
  const all = samples.slice(1).map((sample, i) => rates(samples[i]!, sample, hosts, JOB_KINDS))
  const most = (of: (one: Rates) => number): number => Math.max(0, ...all.map(of))
  return {
    received: { frames: most(({ received }) => received.frames), bytes: most(({ received }) => received.bytes) },
    sent: { frames: most(({ sent }) => sent.frames), bytes: most(({ sent }) => sent.bytes) },
  }
}

function rates(from: Sample, to: Sample, hosts: number, kinds: readonly FrameKind[]): Rates {
  const seconds = to.atSeconds - from.atSeconds
  return scaled(between(from, to, kinds), seconds > 0 ? 1 / (hosts * seconds) : 0)
}

function between(from: Sample, to: Sample, kinds: readonly FrameKind[]): Rates {
  const amounts = (direction: Direction): Amounts => {
    const of = (what: keyof Amounts): number =>
      kinds.reduce((sum, kind) => sum + to.traffic[direction][kind][what] - from.traffic[direction][kind][what], 0)
    return { frames: of('frames'), bytes: of('bytes') }
  }
  return { received: amounts('received'), sent: amounts('sent') }
}

function scaled({ received, sent }: Rates, by: number): Rates {
  const each = ({ frames, bytes }: Amounts): Amounts => ({ frames: frames * by, bytes: bytes * by })
  return { received: each(received), sent: each(sent) }
}

/** Of frames per host and second, both ways. */
export function framesOf({ received, sent }: Rates): number {
  return received.frames + sent.frames
}

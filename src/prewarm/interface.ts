import type { Digest } from '../oci/digest.ts'
import type { TagOrDigest } from '../oci/reference.ts'

/** So many hosts, or so many of a hundred. */
export type Amount =
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'percent'; readonly percent: number }

/** Runtimes that can be told to pull through their own agent once the bytes are there. */
export type LoadRuntime = 'docker' | 'containerd'

/** What a job is to do, complete: `parsePrewarmSpec` fills in the defaults. Rates are bytes per second, 0 = unlimited. */
export interface PrewarmSpec {
  /** References as the user wrote them, at least one. */
  readonly images: readonly string[]
  /** Only hosts of these regions; empty = all. */
  readonly regions: readonly string[]
  /** Only hosts with all of these labels. */
  readonly select: Readonly<Record<string, string>>
  /** Only so many of the hosts that match; null = all. */
  readonly hosts: Amount | null
  /** How many hosts may have begun, cumulative, wave by wave; the last is all of them. */
  readonly waves: readonly Amount[]
  /** Hosts that may be at work at the same time; 0 = unlimited. */
  readonly maxHosts: number
  /** Of each host. */
  readonly rateBytesPerSec: number
  /** Of all hosts together. */
  readonly fleetRateBytesPerSec: number
  /** From the origins. */
  readonly originRateBytesPerSec: number
  /** `os/arch[/variant]`, or `all`; empty = what the coordinating cache runs on. */
  readonly platforms: readonly string[]
  /** After so long the job ends as it stands; 0 = never. */
  readonly deadlineMs: number
  /** The part of the counted hosts that must be ready. */
  readonly quorumPercent: number
  /** How many hosts may have failed when a wave ends; a percentage is of the hosts begun so far. */
  readonly failureBudget: Amount
  /** How long the blobs are kept from eviction; 0 = not at all. */
  readonly pinMs: number
  /** How long hosts that join the fleet still take part; 0 = only those that are there. */
  readonly joinMs: number
  readonly load: LoadRuntime | null
}

/** What may be changed while a job runs; keys that are absent stay. */
export interface PrewarmPatch {
  readonly state?: 'running' | 'paused' | 'cancelled' | undefined
  readonly waves?: readonly Amount[] | undefined
  readonly maxHosts?: number | undefined
  readonly rateBytesPerSec?: number | undefined
  readonly fleetRateBytesPerSec?: number | undefined
  readonly originRateBytesPerSec?: number | undefined
  readonly deadlineMs?: number | undefined
  readonly quorumPercent?: number | undefined
  readonly failureBudget?: Amount | undefined
  readonly pinMs?: number | undefined
  readonly joinMs?: number | undefined
}

export const JOB_STATES = ['running', 'paused', 'done', 'failed', 'cancelled'] as const
/** running <-> paused; either -> done, failed or cancelled, which are final. */
export type JobState = (typeof JOB_STATES)[number]

export const HOST_STATES = ['waiting', 'moving', 'loading', 'ready', 'failed', 'skipped'] as const
/** waiting -> moving -> loading -> ready; failed or skipped at any point before. */
export type HostState = (typeof HOST_STATES)[number]

/** An image of a job, its tag resolved for good. */
export interface PlannedImage {
  /** As the user wrote it. */
  readonly reference: string
  readonly upstream: string
  readonly repository: string
  readonly tag: string | null
  /** What the reference resolved to: an index or a manifest. */
  readonly digest: Digest
  /** The manifests a host fetches, parents first; the first is `digest`. */
  readonly manifests: readonly Digest[]
  /** Of its config and layers, for the chosen platforms. */
  readonly bytes: number
}

/** Something to move, once however many images have it. */
export interface PlannedBlob {
  readonly digest: Digest
  readonly size: number
  /** Index into the plan's images: in whose name it is fetched. */
  readonly image: number
}

export interface Plan {
  readonly images: readonly PlannedImage[]
  readonly blobs: readonly PlannedBlob[]
  /** What one host needs. */
  readonly bytes: number
}

/** Bytes by where a host got them. */
export interface MovedBytes {
  readonly peer: number
  readonly home: number
  readonly parent: number
  readonly origin: number
}

/** What a host says of its part in a job: absolute numbers, so that a report may be lost or come twice. */
export interface HostReport {
  readonly revision: number
  readonly state: HostState
  readonly haveBytes: number
  readonly moved: MovedBytes
  /** Which of the plan's blobs are complete: bit i of byte i / 8. */
  readonly blobs: Uint8Array
  readonly reason?: string | undefined
}

export type HostCounts = Readonly<Record<HostState, number>>

/** Hosts that ended alike. */
export interface ReasonGroup {
  readonly state: 'failed' | 'skipped'
  readonly reason: string
  readonly count: number
  /** Some of them by name. */
  readonly hosts: readonly string[]
}

/** What a region says of its part in a job. */
export interface Tally {
  /** Hosts that take part. */
  readonly selected: number
  /** Of these, hosts that have been told to begin. */
  readonly begun: number
  readonly hosts: HostCounts
  readonly haveBytes: number
  readonly moved: MovedBytes
  /** What the region's caches read from origins for this job. */
  readonly originBytes: number
  readonly reasons: readonly ReasonGroup[]
}

/** A region's share of a job. */
export interface Share {
  /** Hosts that take part at most; null = all that match. */
  readonly select: number | null
  /** Hosts that may have begun; null = all that take part. */
  readonly open: number | null
  /** 0 = unlimited, as are the rates. */
  readonly maxHosts: number
  readonly rateBytesPerSec: number
  readonly originRateBytesPerSec: number
}

/** A job as caches keep it on their disks and tell each other: the one with the higher revision counts. */
export interface JobRow {
  readonly id: string
  /** The region whose caches coordinate it. */
  readonly root: string
  readonly spec: PrewarmSpec
  readonly plan: Plan
  readonly createdEpochMs: number
  readonly revision: number
  readonly changedEpochMs: number
  /** The revision that last changed what hosts are told. */
  readonly taskRevision: number
  readonly state: JobState
  readonly reason: string | null
  readonly endedEpochMs: number | null
  /** The wave that is open, from 0. */
  readonly wave: number
  /** By region; regions that are not here take no part (yet). */
  readonly shares: Readonly<Record<string, Share>>
}

/** What one region could do for a plan. */
export interface RegionSurvey {
  readonly region: string
  /** Hosts known. */
  readonly hosts: number
  /** Hosts that match the selectors. */
  readonly matching: number
  /** Of these, hosts without room for what they lack. */
  readonly withoutRoom: number
  /** Some of these by name. */
  readonly roomless: readonly string[]
  /** What the region's caches lack of the plan. */
  readonly missingBytes: number
}

/** A job, or with `state: planned` what one would do, as commands and scripts see it. */
export interface PrewarmView {
  readonly id: string
  readonly state: JobState | 'planned'
  readonly reason: string | null
  readonly images: readonly { readonly reference: string; readonly digest: string; readonly bytes: number }[]
  readonly hosts: { readonly total: number } & HostCounts
  readonly bytes: {
    /** What one host needs. */
    readonly perHost: number
    /** What all hosts that are not skipped need together. */
    readonly total: number
    /** What they have of it, wherever it came from: only grows. */
    readonly have: number
    /** What they received for it. */
    readonly moved: number
    /** What caches and hosts read from origins for it. */
    readonly origin: number
  }
  readonly bytesPerSec: number
  readonly etaSeconds: number | null
  readonly seconds: number
  readonly createdEpochMs: number
  readonly endedEpochMs: number | null
  /** From 1; `open` hosts may have begun. */
  readonly wave: { readonly number: number; readonly of: number; readonly open: number }
  readonly regions: readonly RegionView[]
  readonly reasons: readonly ReasonGroup[]
  readonly spec: PrewarmSpec
  readonly revision: number
}

export interface RegionView {
  readonly region: string
  readonly hosts: { readonly total: number } & HostCounts
  readonly haveBytes: number
  readonly totalBytes: number
  readonly movedBytes: MovedBytes
  readonly originBytes: number
}

/** One host's part in a job. */
export interface HostView {
  readonly key: string
  readonly name: string
  readonly region: string
  readonly state: HostState
  readonly haveBytes: number
  readonly totalBytes: number
  readonly movedBytes: MovedBytes
  readonly blobsDone: number
  readonly reason: string | null
}

/** What a job would do. */
export interface PrewarmPlanView {
  readonly state: 'planned'
  readonly images: readonly { readonly reference: string; readonly digest: string; readonly bytes: number }[]
  readonly blobs: number
  readonly bytes: { readonly perHost: number; readonly total: number; readonly missing: number }
  readonly hosts: { readonly total: number; readonly withoutRoom: number; readonly roomless: readonly string[] }
  readonly waves: readonly number[]
  readonly regions: readonly RegionSurvey[]
  /** Null when no rate bounds it: then it is the network that does. */
  readonly leastSeconds: number | null
}

/** Prewarm jobs as the doors ask for them, on any host of the fleet. All may throw the codes of `PREWARM_*` and `UNAVAILABLE`. */
export interface PrewarmService {
  /** Starts a job, or answers the one of this `id` that has been started already. */
  submit(id: string, spec: PrewarmSpec, signal: AbortSignal): Promise<PrewarmView>
  plan(spec: PrewarmSpec, signal: AbortSignal): Promise<PrewarmPlanView>
  list(signal: AbortSignal): Promise<readonly PrewarmView[]>
  show(id: string, signal: AbortSignal): Promise<PrewarmView>
  hosts(id: string, signal: AbortSignal): Promise<readonly HostView[]>
  edit(id: string, patch: PrewarmPatch, signal: AbortSignal): Promise<PrewarmView>
}

/** Manifests, as prewarm needs them: provided by whoever puts the rooms together. */
export interface ImageSource {
  /** Throws a ShoalError when there is none or nobody can give it. Stores it, and what it grants. */
  manifest(
    ref: { readonly upstream: string; readonly repository: string; readonly target: TagOrDigest },
    signal: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array }>
  /** Notes what a tag pointed to at `epochMs`, unless something newer is known. */
  rememberTag(
    ref: { readonly upstream: string; readonly repository: string; readonly tag: string },
    digest: Digest,
    epochMs: number,
  ): Promise<void>
  /** Whether content of this upstream may be fetched in the fleet's name. */
  shareable(upstream: string): boolean
}

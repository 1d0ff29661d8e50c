import type { HostView, PrewarmPlanView, PrewarmView } from '../prewarm/index.ts'
import type { Order } from '../trust/index.ts'

/** Where a host's received bytes came from, and where its sent bytes went: the label values of the byte counters. */
export interface ReceivedBytes {
  readonly peer: number
  readonly home: number
  readonly parent: number
  readonly origin: number
}

export interface SentBytes {
  readonly runtime: number
  readonly peer: number
  readonly child: number
}

/** One cache as this host sees it. */
export interface CacheStatus {
  readonly address: string
  /** Its peer id, once a link has been proven. */
  readonly key?: string | undefined
  /** E.g. `linked`, `dialling`, `down`. */
  readonly state: string
}

/** A certificate: this host's own, or an authority's. */
export interface CredentialStatus {
  readonly role: string
  /** `cache of region eu-1`, or an authority's name. */
  readonly text: string
  readonly serial: string
  readonly endsEpochMs: number
  readonly daysLeft: number
  /** Why it counts for nothing; null when it counts. */
  readonly problem: string | null
}

export interface NodeStatus {
  readonly version: string
  readonly role: string
  readonly region: string
  readonly zone: string | null
  readonly peerId: string
  readonly uptimeSeconds: number
  /** Where the three doors listen, as `host:port`. */
  readonly addresses: { readonly mirror: string; readonly peer: string; readonly admin: string }
  readonly store: {
    readonly capacityBytes: number
    readonly completeBytes: number
    readonly partialBytes: number
    readonly pinnedBytes: number
    readonly diskFull: boolean
    /** E.g. `ok`, `full`, `read_only`, `failed`, `stalled`. */
    readonly state: string
  }
  /** This host's own certificate and the fleet's authorities; none in a fleet without. */
  readonly credentials?: readonly CredentialStatus[] | undefined
  /** Live links, by role. */
  readonly peers: {
    readonly linked: number
    readonly caches: number
    /** Identities that several live hosts have, as copies of a disk do; absent from agents of before. */
    readonly clones?: readonly { readonly peerId: string; readonly addresses: readonly string[] }[] | undefined
  }
  readonly tier: {
    /** E.g. `up`, `down`, `alone` (this host is its own tier). */
    readonly state: string
    readonly caches: readonly CacheStatus[]
    /** Parent regions, nearest first. */
    readonly parents: readonly { readonly region: string; readonly caches: readonly CacheStatus[] }[]
  }
  /** Bytes since the process started. */
  readonly received: ReceivedBytes
  readonly sent: SentBytes
  readonly transfersActive: number
  /** What an image name without a registry means here; absent from agents of before. */
  readonly defaultUpstream?: string | undefined
  readonly upstreams: readonly {
    readonly name: string
    readonly access: string
    readonly origins: readonly OriginStatus[]
  }[]
}

/** An origin, and what its last answer was when it was none. */
export interface OriginStatus {
  readonly kind: string
  readonly label: string
  /** Absent while it answers, or has not been asked. */
  readonly trouble?:
    | {
        readonly state: string
        readonly message: string
        readonly remedy: string
        readonly sinceEpochMs: number
        readonly failures: number
      }
    | undefined
}

/** What a readiness probe may ask for besides pulls being served. */
export const READINESS_CONDITIONS = ['tier', 'origin', 'disk'] as const
export type ReadinessCondition = (typeof READINESS_CONDITIONS)[number]

export interface Readiness {
  readonly ready: boolean
  /** What is missing, or `ok`. */
  readonly reason: string
  /** How each condition is, wanted or not: `ok`, or what is wrong. */
  readonly conditions: Readonly<Record<ReadinessCondition, string>>
}

export interface TransferStatus {
  readonly digest: string
  readonly sizeBytes: number
  readonly haveBytes: number
  readonly bytesPerSec: number
  /** Null while the rate is unknown or zero. */
  readonly etaSeconds: number | null
  readonly from: ReceivedBytes
  /** Neighbours in this blob's swarm. */
  readonly peers: number
  readonly startedEpochMs: number
  /** E.g. `running`, `verifying`, `done`, `failed`. */
  readonly state: string
}

export interface BlobStatus {
  readonly digest: string
  readonly sizeBytes: number
  readonly storedBytes: number
  readonly state: 'complete' | 'partial'
  readonly lastUsedEpochMs: number
  /** Null when not pinned, or pinned without an end. */
  readonly pinnedUntilEpochMs: number | null
  readonly pinned: boolean
}

export interface PeerStatus {
  readonly key: string
  readonly role: string
  readonly region: string
  readonly zone: string | null
  readonly addresses: readonly string[]
  readonly direction: 'inbound' | 'outbound'
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** Rates in bytes per second; 0 = unlimited. */
export interface Limits {
  readonly upload: number
  readonly download: number
  readonly origin: number
  readonly prewarm: number
}

export type LimitsPatch = { readonly [K in keyof Limits]?: number | undefined }

/**
 * What the admin door shows and changes. Every method but `invalidate` answers from memory, at once: scrapes and
 * status pages must not cost I/O.
 */
export interface AdminSource {
  /** Whether pulls are served and every condition that is wanted holds. */
  ready(want: readonly ReadinessCondition[]): Readiness
  status(): NodeStatus
  transfers(): readonly TransferStatus[]
  blobs(): readonly BlobStatus[]
  peers(): readonly PeerStatus[]
  /**
   * Forgets a cached tag, so that the next pull asks the origin: here, and with an operator's order (or where this host may
   * give one) in the tiers above, `everywhere`. `digest` is what it was. Throws `REFERENCE_INVALID`, `ORDER_REQUIRED` or
   * `UNAVAILABLE`.
   */
  invalidate(
    reference: string,
    order: Order | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly digest?: string | undefined; readonly everywhere: boolean }>
  limits(): Limits
  /** Applies at once and answers what is now in force; not written to the configuration. */
  setLimits(patch: LimitsPatch): Limits
}

/** Where the metrics come from: text in the format that `contentType` names. */
export interface MetricsText {
  readonly contentType: string
  text(): Promise<string>
}

/** An image that stays on this host for a while: its manifests, config and layers are not evicted. */
export interface PinStatus {
  readonly reference: string
  /** The prewarm job whose pin it is; null = an operator's, of which there is one for each reference. */
  readonly job: string | null
  /** What the reference meant when it was pinned. */
  readonly digest: string
  readonly untilEpochMs: number
  readonly blobs: number
  readonly bytes: number
  /** Of these, how many are here: pinning moves no content. */
  readonly presentBytes: number
}

export interface PinSource {
  list(): readonly PinStatus[]
  /**
   * Pins what a reference means now for `forMs` milliseconds from now, in place of what an operator pinned by it before.
   * Throws `REFERENCE_INVALID` or `UNAVAILABLE`.
   */
  pin(
    reference: string,
    options: { readonly forMs: number; readonly platform?: string | undefined },
    signal: AbortSignal,
  ): Promise<PinStatus>
  /** Takes away all pins of a reference; answers whether there was one. Throws `REFERENCE_INVALID`. */
  unpin(reference: string): Promise<boolean>
}

/** A blob that a verification found damaged, and dropped. */
export interface VerifiedDamage {
  readonly digest: string
  readonly sizeBytes: number
  /** Which pieces; none when it was dropped as a whole. */
  readonly pieces: readonly number[]
  /** Whether it has been fetched again by now. */
  readonly wholeAgain: boolean
}

/** A comparison of stored blobs with what they must be. */
export interface VerifyView {
  readonly state: 'running' | 'done' | 'stopped'
  readonly startedEpochMs: number
  readonly blobs: { readonly total: number; readonly checked: number }
  readonly bytes: { readonly total: number; readonly checked: number }
  readonly damaged: readonly VerifiedDamage[]
  /** Digests that were asked for and are not here. */
  readonly absent: readonly string[]
}

export interface VerifySource {
  /**
   * Begins to compare images and blobs by digest; none named = everything. Throws `REFERENCE_INVALID`, and `UNAVAILABLE` while
   * another one runs.
   */
  start(targets: readonly string[], signal: AbortSignal): Promise<VerifyView>
  /** The one that runs, or ran last. */
  view(): VerifyView | undefined
  stop(): Promise<void>
}

/** A webhook before its body is read: `headers` as node:http gives them, `pathSecret` what follows the source in the path. */
export interface HookHead {
  readonly source: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly pathSecret?: string | undefined
}

/** Where webhooks go. Neither method throws; both answer from memory. */
export interface HookSink {
  /** Whether the body is worth reading. */
  admits(head: HookHead): 'yes' | 'unknown' | 'unauthorized'
  receive(
    head: HookHead,
    body: Uint8Array,
  ):
    | { readonly kind: 'accepted'; readonly matched: number }
    | { readonly kind: 'unknown' | 'unauthorized' | 'busy' }
    | { readonly kind: 'invalid'; readonly message: string }
}

/**
 * Prewarm jobs of the fleet, asked for on any host. Requests come as they were written and are checked here. All may throw
 * `PREWARM_INVALID`, `PREWARM_IMPOSSIBLE`, `PREWARM_UNKNOWN` or `UNAVAILABLE`; `start` and `edit` throw `ORDER_REQUIRED` where
 * this host may not act on the fleet by itself.
 */
export interface PrewarmSource {
  /** The same `id` again is the same job. */
  start(request: unknown, id: string | undefined, signal: AbortSignal): Promise<PrewarmView>
  plan(request: unknown, signal: AbortSignal): Promise<PrewarmPlanView>
  list(signal: AbortSignal): Promise<readonly PrewarmView[]>
  show(id: string, signal: AbortSignal): Promise<PrewarmView>
  hosts(id: string, signal: AbortSignal): Promise<readonly HostView[]>
  edit(id: string, patch: unknown, signal: AbortSignal): Promise<PrewarmView>
  /** Does what an operator has signed: begins a job, or changes one. `id`, where given, must be the order's. */
  obey(order: Order, id: string | undefined, signal: AbortSignal): Promise<PrewarmView>
}

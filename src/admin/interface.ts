import type { Events } from '../base/events.ts'
import type { LogLevelName } from '../base/log.ts'
import type { PinView } from '../pins/index.ts'
import type { GateSpec, GateView, HostView, PrewarmPlanView, PrewarmView, ScheduleView } from '../prewarm/index.ts'
import type { PurgeView } from '../purge/index.ts'
import type { Order } from '../trust/index.ts'
import type { WebhookHead, WebhookResponse } from '../webhook/index.ts'
import type { Limits, LogView, VerifyView, WhyView } from './api-schema.ts'
import type { BlobStatus, NodeStatus, PeerStatus, Readiness, ReadinessCondition, TransferStatus } from './status.ts'

export type LimitsPatch = { readonly [K in keyof Limits]?: number | undefined }

/**
 * What the admin server shows and changes. Every method but `invalidate` answers from memory, at once: scrapes and
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

/** Images that are to leave every host. All may throw `UNAVAILABLE`. */
export interface PurgeSource {
  /**
   * Has images leave all hosts, in this host's name; `repositories`: everything in those that are named. Throws
   * `REFERENCE_INVALID`, `ORDER_REQUIRED`, `PREWARM_IMPOSSIBLE`.
   */
  start(
    references: readonly string[],
    options: { readonly repositories: boolean; readonly dryRun: boolean },
    signal: AbortSignal,
  ): Promise<PurgeView>
  /** Does what an operator has signed. Throws `ORDER_REQUIRED`, `PREWARM_INVALID`, `PREWARM_IMPOSSIBLE`. */
  obey(order: Order, signal: AbortSignal): Promise<PurgeView>
  /** Those that still hold, the newest first. */
  list(signal: AbortSignal): Promise<readonly PurgeView[]>
  /** Throws `PREWARM_UNKNOWN`. */
  show(id: string, signal: AbortSignal): Promise<PurgeView>
}

/** What the process logs. Neither method throws. */
export interface LogSource {
  logs(): LogView
  /** Has another level hold for `forMs` milliseconds, in place of one that was to hold for a while. */
  lendLevel(level: LogLevelName, forMs: number): LogView
}

/** Where the metrics come from: text in the format that `contentType` names. */
export interface MetricsText {
  readonly contentType: string
  text(): Promise<string>
}

export interface PinSource {
  list(): readonly PinView[]
  /**
   * Pins what a reference means now for `forMs` milliseconds from now, in place of what an operator pinned by it before.
   * Throws `REFERENCE_INVALID` or `UNAVAILABLE`.
   */
  pin(
    reference: string,
    options: { readonly forMs: number; readonly platform?: string | undefined },
    signal: AbortSignal,
  ): Promise<PinView>
  /** Takes away all pins of a reference; returns whether there was one. Throws `REFERENCE_INVALID`. */
  unpin(reference: string): Promise<boolean>
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

/** What happens on this host; neither method throws. */
export type EventSource = Pick<Events, 'since' | 'listen'>

export interface WhySource {
  /** Throws `REFERENCE_INVALID`. */
  why(reference: string, signal: AbortSignal): Promise<WhyView>
}

/** Where webhooks go. Neither method throws; both answer from memory. */
export interface WebhookSink {
  /** Whether the body is worth reading. */
  admits(head: WebhookHead): 'yes' | 'unknown' | 'unauthorized'
  receive(head: WebhookHead, body: Uint8Array): WebhookResponse
}

/**
 * Prewarm jobs of the fleet, asked for on any host. Requests come as they were written and are checked here. All may throw
 * `PREWARM_INVALID`, `PREWARM_IMPOSSIBLE`, `PREWARM_UNKNOWN` or `UNAVAILABLE`; `start`, `edit`, `schedule` and `unschedule` throw `ORDER_REQUIRED`
 * where this host may not act on the fleet by itself.
 */
export interface PrewarmSource {
  /** The same `id` again is the same job. */
  start(request: unknown, id: string | undefined, signal: AbortSignal): Promise<PrewarmView>
  plan(request: unknown, signal: AbortSignal): Promise<PrewarmPlanView>
  list(signal: AbortSignal): Promise<readonly PrewarmView[]>
  /** Has the job of a request begun `when` it says: `{ at }` or `{ every }`, with a `zone`. */
  schedule(request: unknown, when: unknown, signal: AbortSignal): Promise<ScheduleView>
  schedules(signal: AbortSignal): Promise<readonly ScheduleView[]>
  unschedule(id: string, signal: AbortSignal): Promise<ScheduleView>
  /** Does what an operator has signed about a schedule. */
  obeySchedule(order: Order, signal: AbortSignal): Promise<ScheduleView>
  show(id: string, signal: AbortSignal): Promise<PrewarmView>
  /** Whether a rollout of an image may go on. Throws `REFERENCE_INVALID`. */
  gate(image: string, spec: GateSpec, signal: AbortSignal): Promise<GateView>
  hosts(id: string, signal: AbortSignal): Promise<readonly HostView[]>
  edit(id: string, patch: unknown, signal: AbortSignal): Promise<PrewarmView>
  /** Does what an operator has signed: begins a job, or changes one. `id`, where given, must be the order's. */
  obey(order: Order, id: string | undefined, signal: AbortSignal): Promise<PrewarmView>
}

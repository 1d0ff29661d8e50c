import type { Digest } from '../oci/digest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import type { Order } from '../trust/index.ts'
import type {
  HOST_STATES,
  JOB_STATES,
  moved,
  planSchema,
  prewarmHostSchema,
  prewarmPlanViewSchema,
  prewarmViewSchema,
  reasonGroup,
  reportSchema,
  rowSchema,
  Shape,
  share,
  surveySchema,
  tallySchema,
  toldRowSchema,
} from './shapes.ts'
import type { amount, patchSchema, runtime, specSchema } from './spec-shapes.ts'

// what each of them is and holds is said where it is read: shapes.ts

/** running <-> paused; either -> done, failed or cancelled, which are final. */
export type JobState = (typeof JOB_STATES)[number]
/** waiting -> moving -> loading -> ready; failed or skipped at any point before. */
export type HostState = (typeof HOST_STATES)[number]

export type Amount = Shape<typeof amount>
export type LoadRuntime = Shape<typeof runtime>
export type PrewarmSpec = Shape<typeof specSchema>
export type PrewarmPatch = Shape<typeof patchSchema>

export type Plan = Shape<typeof planSchema>
export type PlannedImage = Plan['images'][number]
export type PlannedBlob = Plan['blobs'][number]

export type MovedBytes = Shape<typeof moved>
export type HostReport = Shape<typeof reportSchema>
export type ReasonGroup = Shape<typeof reasonGroup>
export type Tally = Shape<typeof tallySchema>
export type Share = Shape<typeof share>
export type JobRow = Shape<typeof rowSchema>
export type PlanHead = JobRow['plan']
export type ToldRow = Shape<typeof toldRowSchema>
export type RegionSurvey = Shape<typeof surveySchema>

export type PrewarmView = Shape<typeof prewarmViewSchema>
export type RegionView = PrewarmView['regions'][number]
export type PrewarmPlanView = Shape<typeof prewarmPlanViewSchema>
export type HostView = Shape<typeof prewarmHostSchema>

/** Prewarm jobs as the doors ask for them, on any host of the fleet. All may throw the codes of `PREWARM_*`, `ORDER_REQUIRED` and `UNAVAILABLE`. */
export interface PrewarmService {
  /** Starts the job that an order says, or returns the one of its id that has been started already. */
  submit(order: Order, signal: AbortSignal): Promise<PrewarmView>
  plan(spec: PrewarmSpec, signal: AbortSignal): Promise<PrewarmPlanView>
  list(signal: AbortSignal): Promise<readonly PrewarmView[]>
  show(id: string, signal: AbortSignal): Promise<PrewarmView>
  hosts(id: string, signal: AbortSignal): Promise<readonly HostView[]>
  edit(order: Order, signal: AbortSignal): Promise<PrewarmView>
}

/** Manifests, as prewarm needs them: provided by whoever puts the rooms together. */
export interface ImageSource {
  /** Throws a ShoalError when there is none or nobody can give it. Stores it, and what it grants. */
  manifest(
    ref: { readonly upstream: string; readonly repository: string; readonly target: TagOrDigest },
    signal: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array }>
  /** What a config says its image is for, `os/arch[/variant]`; undefined when it does not say. Throws when nobody can give it. */
  platform(
    repository: { readonly upstream: string; readonly repository: string },
    config: { readonly digest: Digest; readonly size: number },
    signal: AbortSignal,
  ): Promise<string | undefined>
  /** Notes what a tag pointed to at `epochMs`, unless something newer is known. */
  rememberTag(
    ref: { readonly upstream: string; readonly repository: string; readonly tag: string },
    digest: Digest,
    epochMs: number,
  ): Promise<void>
  /** Whether an upstream of this name is configured. */
  knows(upstream: string): boolean
  /** Whether content of this upstream may be fetched in the fleet's name. */
  shareable(upstream: string): boolean
}

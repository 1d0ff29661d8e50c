import type { Shape } from '../base/shape.ts'
import type {
  capacitySchema,
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
  share,
  tallySchema,
  toldRowSchema,
} from './shapes.ts'
import type { amount, patchSchema, specSchema } from './spec-shapes.ts'

// what each of them is and holds is said where it is read: shapes.ts

/** running <-> paused; either -> done, failed or cancelled, which are final. */
export type JobState = (typeof JOB_STATES)[number]
/** waiting -> moving -> loading -> ready; failed or skipped at any point before. */
export type HostState = (typeof HOST_STATES)[number]

export type Amount = Shape<typeof amount>
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
export type PlanSummary = JobRow['plan']
export type ToldRow = Shape<typeof toldRowSchema>
export type RegionCapacity = Shape<typeof capacitySchema>

export type PrewarmView = Shape<typeof prewarmViewSchema>
export type RegionView = PrewarmView['regions'][number]
export type PrewarmPlanView = Shape<typeof prewarmPlanViewSchema>
export type HostView = Shape<typeof prewarmHostSchema>

/*
 * Prewarm: images present on hosts before anybody pulls them (PREWARM.md).
 *
 *   prewarm         this host's part, put together; reads messages and responds to requests
 *   job-client      jobs as they are asked for on any host     cache-routes    which caches are asked
 *   job-api         responds on a cache: planner (what moves), capacity-probe (who could take it), job-refusals, views
 *   job-controller  keeps jobs and leads them in its region, or stands by:
 *                   rollout       a job in a region: progress, liveness, address-crowds, inventory
 *                   leases        which jobs still run           job-publisher  what other caches are told
 *                   replicas      second copies in the tier      origin-usage   what jobs read from origins
 *                   known-jobs    what it has of jobs: job-store, plan-store, region-store, unordered-jobs: on its disk
 *   schedules       jobs that begin by the clock: schedule (decides), schedule-api (responds to requests about them)
 *   purges          images that are to leave all hosts: purge (decides), purge-worker (a host's part), purge-progress (who has
 *                   done it), purge-api (responds), purge-client (as they are asked for)
 *   worker          a host's part: host-task (one job), need, pacer
 *   job, gate, amount, tallies             decide, without I/O
 *   spec, spec-shapes, image-reference     what a job may be: as people write it, as it is
 *   orders, ordered-fields, message-rights who may do and say what
 *   messages, requests, shapes, messenger  what is said, and its way (protocol: over links)
 */
export { amountText } from './amount.ts'
export type { GateSpec, GateView } from './gate.ts'
export type {
  HostView,
  PrewarmPatch,
  PrewarmPlanView,
  PrewarmSpec,
  PrewarmView,
} from './interface.ts'
export { isFinal, newJobId } from './job.ts'
export { roomOf } from './need.ts'
export { orderChange, orderJob, orderPurge, orderSchedule, orderUnschedule } from './orders.ts'
export type { PrewarmDeps } from './prewarm.ts'
export { Prewarm } from './prewarm.ts'
export { prewarmProtocol } from './protocol.ts'
export type { PurgeSpec, PurgeView } from './purge.ts'
export { isPurgeId, newPurgeId, parsePurge, purgeViewSchema } from './purge.ts'
export type { ScheduleView } from './schedule.ts'
export { isScheduleId, localZone, newScheduleId, parseWhen, scheduleViewSchema } from './schedule.ts'
export { isJobId, prewarmHostSchema, prewarmPlanViewSchema, prewarmViewSchema } from './shapes.ts'
export { parsePrewarmPatch, parsePrewarmSpec } from './spec.ts'

/*
 * Prewarm: images present on hosts before anybody pulls them (PREWARM.md), written in the words of ../orders.
 *
 *   prewarm         this host's part, put together
 *   job-client      jobs as they are asked for on any host
 *   job-api         responds on a cache: planner (what moves), capacity-probe (who could take it), job-refusals, views
 *   job-controller  keeps jobs and leads them in its region, or stands by (controller-deps):
 *                   rollout       a job in a region: progress, liveness, address-crowds, inventory
 *                   leases        which jobs still run           job-publisher  what other caches are told
 *                   replicas      second copies in the tier      origin-usage   what jobs read from origins
 *                   known-jobs    what it has of jobs: job-store, plan-store, region-store, unordered-jobs: on its disk
 *   schedules       jobs that begin by the clock: schedule (decides), schedule-responders (responds to requests about them)
 *   worker          a host's part: host-task (one job), host-budget, host-pace, need, pacer, metrics
 *   job, gate, amount, tallies             decide, without I/O
 *   spec, spec-shapes, image-reference     what a job may be: as people write it, as it is
 *   job-orders, schedule-orders            what may be ordered, and what a job's own orders say
 *   messages, requests, shapes, interface  what hosts tell and ask each other
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
export { isFinal } from './job.ts'
export { EDIT_ORDER, JOB_ORDER } from './job-orders.ts'
export { roomOf } from './need.ts'
export type { PrewarmDeps } from './prewarm.ts'
export { Prewarm } from './prewarm.ts'
export type { ScheduleView } from './schedule.ts'
export { isScheduleId, localZone, newScheduleId, parseWhen, scheduleViewSchema } from './schedule.ts'
export { SCHEDULE_ORDER, UNSCHEDULE_ORDER } from './schedule-orders.ts'
export { isJobId, prewarmHostSchema, prewarmPlanViewSchema, prewarmViewSchema } from './shapes.ts'
export { parsePrewarmPatch, parsePrewarmSpec } from './spec.ts'

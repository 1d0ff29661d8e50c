import type { Responders } from '../orders/index.ts'
import type { PrewarmRequests, PrewarmRoutes } from './requests.ts'
import type { Schedules } from './schedules.ts'

/** Both where nothing else ranks the caches, and what is missed when none answers. */
const [LIST, KEPT] = ['schedules', 'the schedules of the fleet']

/** Responds to requests about schedules on a cache: they are kept in the region that has none above it. */
export function scheduleResponders(
  routes: PrewarmRoutes,
  schedules: Schedules,
): Responders<PrewarmRequests, 'schedule' | 'unschedule' | 'schedules'> {
  return {
    schedule: (call, signal) =>
      routes.atTheTop(call, { key: call.ask.id, kept: KEPT }, signal, () => schedules.add(call.ordered)),
    unschedule: (call, signal) =>
      routes.atTheTop(call, { key: call.ask.id, kept: KEPT }, signal, () => schedules.cancel(call.ordered)),
    schedules: (call, signal) => routes.atTheTop(call, { key: LIST, kept: KEPT }, signal, async () => schedules.list()),
  }
}

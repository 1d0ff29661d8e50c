import type { PrewarmPatch, PrewarmSpec } from './interface.ts'
import type { PurgeSpec } from './purge.ts'
import { purgeText } from './purge.ts'
import type { Scheduled } from './schedule.ts'

/** Names that a log line has; a job may be of hundreds of images. */
const MAX_NAMED = 4

type Ordered =
  | { readonly verb: 'prewarm'; readonly spec: PrewarmSpec }
  | { readonly verb: 'edit'; readonly patch: PrewarmPatch }
  | { readonly verb: 'schedule'; readonly scheduled: Scheduled }
  | { readonly verb: 'unschedule' }
  | { readonly verb: 'purge'; readonly purge: PurgeSpec }

/** What an order about a job says, for a line in the log. */
export function orderedFields(said: Ordered): object {
  switch (said.verb) {
    case 'edit':
      return { patch: said.patch }
    case 'prewarm':
      return specFields(said.spec)
    case 'schedule':
      return { ...specFields(said.scheduled.spec), when: said.scheduled.when }
    case 'unschedule':
      return {}
    case 'purge': {
      const { images, dryRun } = said.purge
      return { images: images.slice(0, MAX_NAMED).map(purgeText), imageCount: images.length, dryRun }
    }
    default:
      return said satisfies never
  }
}

function specFields({ images, load, pinMs, joinMs, regions }: PrewarmSpec): object {
  return { images: images.slice(0, MAX_NAMED), imageCount: images.length, load, pinMs, joinMs, regions }
}

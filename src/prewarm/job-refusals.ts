import { isDeepStrictEqual } from 'node:util'
import { encodeMessage, impossible, MAX_MESSAGE_BYTES } from '../orders/index.ts'
import type { JobRow, Plan, PrewarmSpec } from './interface.ts'
import type { PrewarmMessages } from './messages.ts'

/** What asking again with a job's id is for: the same job. What may be edited may have been. */
export function sameJob(row: JobRow, { images, regions, select, hosts, platforms, load }: PrewarmSpec): JobRow {
  const { spec } = row
  const known = [spec.images, spec.regions, spec.select, spec.hosts, spec.platforms, spec.load]
  if (isDeepStrictEqual(known, [images, regions, select, hosts, platforms, load])) return row
  throw impossible(`there is a job ${row.id} already, and it is another one: leave its id away, or choose one`)
}

/** Other caches must be able to hear of a job, and to have it in memory beside the others. */
export function refuseTooLarge(row: JobRow, plan: Plan, hasRoom: (plan: Plan) => boolean): void {
  if (!hasRoom(plan)) throw impossible('the jobs under way are too large together; wait for one of them, or cancel it')
  if (encodeMessage<PrewarmMessages>({ kind: 'row', row: { ...row, plan } }).length <= MAX_MESSAGE_BYTES) return
  throw impossible(`its ${plan.blobs.length} blobs are more than caches can tell each other; make two jobs of it`)
}

/** Each region works on one host at least. */
export function refuseTooFew(maxHosts: number, regions: number): void {
  if (maxHosts === 0 || maxHosts >= regions) return
  const message = `max-hosts ${maxHosts} is fewer than the ${regions} regions that take part`
  throw impossible(`${message}, and each works on one host at least; take one region at a time, with --region`)
}

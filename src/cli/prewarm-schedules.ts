import type { Command } from 'commander'
import { z } from 'zod'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { signOrder } from '../orders/index.ts'
import type { ScheduleView } from '../prewarm/index.ts'
import {
  localZone,
  newScheduleId,
  parsePrewarmSpec,
  parseWhen,
  SCHEDULE_ORDER,
  scheduleViewSchema,
  UNSCHEDULE_ORDER,
} from '../prewarm/index.ts'
import type { OrderSigner } from '../trust/index.ts'
import { orderJson } from '../trust/index.ts'
import type { AdminClient } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { completeReferences } from './complete-reference.ts'
import { signed } from './credential.ts'
import { listCommand } from './list-command.ts'
import { plainTable } from './plain-table.ts'
import { optionOf } from './prewarm-options.ts'
import { durationText } from './quantity-text.ts'

const API = '/api/v1/prewarm/schedules'
const schedulesSchema = z.object({ schedules: z.array(scheduleViewSchema) })
const text = z.string().optional()
export const whenOptionsSchema = z.object({ at: text, every: text, zone: text })

export function addWhenOptions(command: Command): Command {
  return command
    .option('--at <time>', 'begin it then: 22:00, 2026-11-11T00:00, or with an offset 2026-11-10T16:00Z')
    .option('--every <cron>', 'begin it again and again: minute hour day month weekday, such as "30 4 * * 1-5"')
    .option('--zone <name>', "the time zone of --at and --every (default: this terminal's)")
}

/** What `--at`, `--every` and `--zone` ask for; undefined for a job that begins at once. Throws `PREWARM_INVALID`. */
export function whenRequest({ at, every, zone }: z.infer<typeof whenOptionsSchema>): object | undefined {
  if (at === undefined && every === undefined) {
    if (zone === undefined) return undefined
    throw new ShoalError('PREWARM_INVALID', '--zone is of --at or --every, and there is neither')
  }
  if (at !== undefined && every !== undefined) {
    throw new ShoalError('PREWARM_INVALID', '--at and --every: give one of them')
  }
  // the agent may be in another zone
  const request = { at, every, zone: zone ?? localZone() }
  parseWhen(request, systemClock.wall())
  return request
}

/** Has the caches keep a schedule: ordered by the agent, or with a credential by whoever holds it. */
export async function schedule(
  client: AdminClient,
  request: Record<string, unknown>,
  { when, signer, io }: { readonly when: object; readonly signer: OrderSigner | undefined; readonly io: CommandIo },
): Promise<ScheduleView> {
  const { signal } = io
  if (signer === undefined) return client.post(API, { ...request, schedule: when }, scheduleViewSchema, signal)
  const now = systemClock.wall()
  const spec = parsePrewarmSpec(request, optionOf)
  const images = await completeReferences(client, spec.images, signal)
  const scheduled = { spec: { ...spec, images }, when: parseWhen(when, now) }
  const order = orderJson(
    signed(signOrder(signer, SCHEDULE_ORDER, { id: newScheduleId(now), content: scheduled, issuedEpochMs: now })),
  )
  return client.post(API, { order }, scheduleViewSchema, signal)
}

export async function unschedule(
  client: AdminClient,
  id: string,
  { signer, io }: { readonly signer: OrderSigner | undefined; readonly io: CommandIo },
): Promise<ScheduleView> {
  if (signer === undefined) return client.delete(`${API}/${id}`, scheduleViewSchema, io.signal)
  const order = orderJson(
    signed(signOrder(signer, UNSCHEDULE_ORDER, { id, content: null, issuedEpochMs: systemClock.wall() })),
  )
  return client.post(API, { order }, scheduleViewSchema, io.signal)
}

/** Those that are kept, the next to run first. */
export async function readSchedules(client: AdminClient, signal: AbortSignal): Promise<readonly ScheduleView[]> {
  return (await client.get(API, schedulesSchema, signal)).schedules
}

export async function showSchedule(client: AdminClient, id: string, signal: AbortSignal): Promise<ScheduleView> {
  const found = (await readSchedules(client, signal)).find((one) => one.id === id)
  if (found !== undefined) return found
  throw new ShoalError('PREWARM_UNKNOWN', `there is no schedule ${id}; see "shoal prewarm schedules"`)
}

/** `shoal prewarm schedules`. */
export function schedulesCommand(io: CommandIo): Command {
  return listCommand(io, {
    name: 'schedules',
    summary: 'show the jobs that begin by the clock, the next one first',
    description: 'Shows every schedule: when it runs next, in its time zone, and what became of its last run.',
    examples: ['shoal prewarm schedules', 'shoal prewarm show s-ID', 'shoal prewarm cancel s-ID'],
    read: readSchedules,
    text: schedulesText,
  })
}

export function schedulesText(schedules: readonly ScheduleView[]): string {
  if (schedules.length === 0) return 'there are no prewarm schedules'
  const rows = schedules.map((one) => [one.id, one.state, whenText(one), nextText(one), lastText(one), imagesText(one)])
  return plainTable(rows, ['SCHEDULE', 'STATE', 'WHEN', 'NEXT RUN', 'LAST RUN', 'IMAGES'])
}

/** One schedule, for eyes. */
export function scheduleText(one: ScheduleView): string {
  const { zone } = one.when
  return plainTable([
    ['Schedule', one.id],
    ['State', one.state],
    ['When', whenText(one)],
    ['Next run', nextText(one)],
    ['Last run', lastText(one)],
    ...(one.lastJob === null ? [] : [['Last job', one.lastJob]]),
    ...(one.lastMissedEpochMs === null
      ? []
      : [['Missed', `${one.missed}, the last one of ${timeIn(one.lastMissedEpochMs, zone)}`]]),
    ...(one.problem === null ? [] : [['Problem', one.problem]]),
    ...one.spec.images.map((image) => ['Image', image]),
  ])
}

function whenText({ when }: ScheduleView): string {
  return when.kind === 'at' ? `once, ${when.zone}` : `${when.cron}, ${when.zone}`
}

function nextText({ nextEpochMs, when }: ScheduleView): string {
  if (nextEpochMs === null) return '-'
  const seconds = (nextEpochMs - systemClock.wall()) / 1_000
  return `${timeIn(nextEpochMs, when.zone)} (in ${durationText(Math.max(0, seconds))})`
}

function lastText({ lastRunEpochMs, missed, problem, when }: ScheduleView): string {
  const ran = lastRunEpochMs === null ? 'never' : timeIn(lastRunEpochMs, when.zone)
  return [ran, ...(missed > 0 ? [`${missed} missed`] : []), ...(problem === null ? [] : ['PROBLEM'])].join(', ')
}

function imagesText({ spec: { images } }: ScheduleView): string {
  const [first = ''] = images
  return images.length > 1 ? `${first} and ${images.length - 1} more` : first
}

/** `2026-11-11 00:00`, as the clocks of a zone show it. */
function timeIn(epochMs: number, zone: string): string {
  return new Date(epochMs).toLocaleString('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
}

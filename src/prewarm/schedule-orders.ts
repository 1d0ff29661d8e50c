import { z } from 'zod'
import type { OrderKind } from '../orders/index.ts'
import { specFields } from './job-orders.ts'
import type { Scheduled } from './schedule.ts'
import { scheduledSchema, scheduleId } from './schedule.ts'

/** A schedule is kept. */
export const SCHEDULE_ORDER: OrderKind<Scheduled> = {
  verb: 'schedule',
  id: scheduleId,
  content: scheduledSchema,
  fields: ({ spec, when }) => ({ ...specFields(spec), when }),
}

/** A schedule ends. */
export const UNSCHEDULE_ORDER: OrderKind<unknown> = {
  verb: 'unschedule',
  id: scheduleId,
  content: z.unknown(),
  fields: () => ({}),
}

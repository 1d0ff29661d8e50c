import { z } from 'zod'
import { parseJson } from '../../src/base/json.ts'

const entrySchema = z.looseObject({
  level: z.string(),
  msg: z.string(),
  /** The release before this one writes some as a text. */
  err: z.union([z.string(), z.looseObject({ stack: z.string().optional() })]).optional(),
})

/** What a line of a daemon's log shows that none may: something nobody foresaw. */
export function logFaults(line: string): string[] {
  const entry = entrySchema.safeParse(parseJson(line))
  // what node itself writes before it ends, or warns of
  if (!entry.success) return [`wrote to standard error: ${line}`]
  const { msg, err } = entry.data
  if (typeof err === 'string') return []
  return err?.stack === undefined ? [] : [`a stack trace in the log: ${msg}: ${err.stack}`]
}

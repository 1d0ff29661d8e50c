import { z } from 'zod'

/** What the process inside a host's namespace does on request. Times are the machine's monotonic clock, in ms. */
export const handTaskSchema = z.discriminatedUnion('do', [
  z.object({
    do: z.literal('ask'),
    url: z.string(),
    method: z.enum(['GET', 'PUT', 'POST', 'DELETE']),
    headers: z.record(z.string(), z.string()).optional(),
    body: z.string().optional(),
  }),
  z.object({ do: z.literal('pull'), mirror: z.string(), reference: z.string() }),
  /** Reads ranges one after the other; answers the milliseconds of each. */
  z.object({
    do: z.literal('ranges'),
    ranges: z.array(z.object({ url: z.string(), start: z.number(), end: z.number() })),
  }),
  /** Ends the pulls under way. */
  z.object({ do: z.literal('abandon') }),
  z.object({ do: z.literal('watch'), url: z.string(), everyMs: z.number() }),
  z.object({ do: z.literal('unwatch') }),
  /** Takes one or more connections and counts what they bring between `skipMs` and `skipMs + measureMs`. */
  z.object({ do: z.literal('sink'), address: z.string(), skipMs: z.number(), measureMs: z.number() }),
  /** Sends to sinks until they hang up. */
  z.object({ do: z.literal('flood'), sinks: z.array(z.object({ address: z.string(), port: z.number() })) }),
])
export type HandTask = z.infer<typeof handTaskSchema>

export const handAnswerSchema = z.discriminatedUnion('ok', [
  z.object({ id: z.number(), ok: z.literal(true), value: z.unknown() }),
  z.object({ id: z.number(), ok: z.literal(false), error: z.string() }),
])

export const pulledSchema = z.object({ endedAtMs: z.number(), bytes: z.number(), manifest: z.string() })
export type Pulled = z.infer<typeof pulledSchema>

/** Milliseconds on the clock that all processes of a machine share. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

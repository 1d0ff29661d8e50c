import { z } from 'zod'
import { originFaultsSchema } from '../../src/demo/origin-traffic.ts'
import { pullSchema } from './runtime-pull.ts'

/** What a hand does in its host's namespace. */
export const handTaskSchema = z.discriminatedUnion('do', [
  /** Asks a server on the host's loopback. */
  z.object({
    do: z.literal('ask'),
    url: z.string(),
    method: z.enum(['GET', 'PUT', 'POST', 'DELETE']),
    body: z.string().optional(),
    headers: z.record(z.string(), z.string()).optional(),
  }),
  pullSchema.extend({ do: z.literal('pull') }),
  /** Opens a registry over a directory, with a counting proxy in front that misbehaves; answers its URL. */
  z.object({ do: z.literal('registry'), root: z.string(), address: z.string() }),
  z.object({ do: z.literal('registry-faults'), faults: originFaultsSchema }),
  z.object({ do: z.literal('registry-counters') }),
  /** Copies a tree in a registry's layout into a bucket. */
  z.object({ do: z.literal('fill-bucket'), endpoint: z.string(), bucket: z.string(), root: z.string() }),
  z.object({
    do: z.literal('empty-bucket'),
    endpoint: z.string(),
    bucket: z.string(),
    keys: z.array(z.string()),
  }),
  /** Opens connections that send `text` and nothing more, until `let-go`; what they are answered is read or not. */
  z.object({
    do: z.literal('hold'),
    host: z.string(),
    port: z.number(),
    connections: z.number(),
    text: z.string(),
    reads: z.boolean(),
  }),
  z.object({ do: z.literal('let-go') }),
])
export type HandTask = z.infer<typeof handTaskSchema>

export const askedSchema = z.object({ status: z.number(), text: z.string() })

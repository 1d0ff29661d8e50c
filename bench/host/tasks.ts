import { z } from 'zod'

const channel = z.enum(['tls', 'stream'])
/** How pieces travel between two daemons. */
export type ChannelKind = z.infer<typeof channel>
export const CHANNEL_KINDS = channel.options

/** What a process of the bench does on request. What it serves, it serves until it ends. */
export const taskSchema = z.discriminatedUnion('do', [
  /** Sends as many bytes as each connection asks for, by TLS. */
  z.object({ do: z.literal('tls-serve') }),
  z.object({ do: z.literal('tls-receive'), port: z.number(), bytes: z.number() }),
  z.object({ do: z.literal('hash'), bytes: z.number() }),
  z.object({ do: z.literal('write'), file: z.string(), bytes: z.number(), preallocated: z.boolean() }),
  /** Hands a file over to whoever asks, by HTTP. */
  z.object({ do: z.literal('file-serve'), file: z.string() }),
  /** What this process has used since it began. */
  z.object({ do: z.literal('used') }),
  /** Pulls a URL's body and throws it away. */
  z.object({ do: z.literal('fetch'), url: z.string() }),
  /** Pieces over a link between two swarms of ours. */
  z.object({ do: z.literal('pieces-serve'), channel, directory: z.string() }),
  z.object({
    do: z.literal('pieces-receive'),
    channel,
    directory: z.string(),
    address: z.string(),
    bytes: z.number(),
  }),
  /** The small things the daemon does often. */
  z.object({ do: z.literal('micro'), directory: z.string() }),
])
export type Task = z.infer<typeof taskSchema>

export const messageSchema = z.object({ id: z.number(), task: taskSchema })

/** CPU seconds of one process, all its threads. */
export const cpuSecondsSchema = z.object({ user: z.number(), system: z.number() })
export type CpuSeconds = z.infer<typeof cpuSecondsSchema>

/** What moving some bytes took: wall and CPU. */
export const costSchema = z.object({ seconds: z.number(), cpu: cpuSecondsSchema })
export type Cost = z.infer<typeof costSchema>

export const fetchedSchema = z.object({
  status: z.number(),
  bytes: z.number(),
  seconds: z.number(),
  /** From the request until the first byte of the body. */
  firstByteMs: z.number(),
  /** Where the mirror says it came from. */
  source: z.string(),
})
export type Fetched = z.infer<typeof fetchedSchema>

export const portSchema = z.object({ port: z.number() })
export const urlSchema = z.object({ url: z.string() })
export const addressSchema = z.object({ address: z.string() })

/** One small thing, timed many times. */
export const microResultSchema = z.object({
  subject: z.string(),
  /** Of one operation, in microseconds. */
  p50Us: z.number(),
  p99Us: z.number(),
  perSecond: z.number(),
  /** Where an operation moves bytes. */
  mibPerSecond: z.number().optional(),
  samples: z.number(),
})
export type MicroResult = z.infer<typeof microResultSchema>

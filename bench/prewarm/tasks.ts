import { z } from 'zod'

/** What a process full of hosts does on request. */
export const taskSchema = z.discriminatedUnion('do', [
  /** Starts hosts `first` to `first + count - 1` and links them to the cache. */
  z.object({
    do: z.literal('open'),
    first: z.number(),
    count: z.number(),
    region: z.string(),
    keyFile: z.string(),
    cache: z.string(),
    /** Says which blobs every host has from the start. */
    heldFile: z.string(),
    directory: z.string(),
  }),
  /** How its hosts are. */
  z.object({ do: z.literal('look') }),
])
export type Task = z.infer<typeof taskSchema>

export const messageSchema = z.object({ id: z.number(), task: taskSchema })

/** What is in `heldFile`. */
export const heldSchema = z.array(z.object({ digest: z.string(), size: z.number() }))

export const hostsSchema = z.object({
  /** Hosts that are linked to the cache. */
  linked: z.number(),
  /** Blobs and manifests that they have, all together. */
  blobs: z.number(),
})
export type HostsState = z.infer<typeof hostsSchema>

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { microResultSchema } from '../host/tasks.ts'

/*
 * What the tables need of the files in bench/results. Each says by `bench` what it is; its name means nothing.
 */

const machine = z.object({
  commit: z.string(),
  kernel: z.string(),
  cores: z.number(),
  cpu: z.string(),
  memoryGiB: z.number(),
  congestionControl: z.string(),
  node: z.string(),
  date: z.string(),
})
export type MachineRow = z.infer<typeof machine>

const shares = z.array(z.object({ link: z.string(), shares: z.array(z.number()) }))

const fleetRow = z.object({
  scenario: z.string(),
  hosts: z.number(),
  mbps: z.number(),
  cacheMbps: z.number(),
  originMbps: z.number(),
  bytes: z.number(),
  layers: z.number(),
  seconds: z.object({ p50: z.number(), last: z.number() }),
  bound: z.number(),
  ratio: z.number(),
  originRatio: z.number(),
  originRequests: z.number().optional(),
  extra: z.object({
    overDirect: z.number().optional(),
    directLast: z.number().optional(),
    rangeOverDirect: z.number().optional(),
  }),
  cpu: z.object({ busy: z.number() }),
  rssMiB: z.object({ max: z.number() }).optional(),
  scrapeMs: z
    .object({ agent: z.object({ p99: z.number() }), cache: z.object({ p99: z.number() }).optional() })
    .optional(),
  timeline: z.object({ everyMs: z.number(), down: shares, up: shares }).optional(),
  guards: z.array(z.object({ guard: z.string(), value: z.number(), limit: z.number(), holds: z.boolean() })),
  valid: z.boolean(),
  runs: z.array(z.object({ ratio: z.number(), valid: z.boolean() })),
})
export type FleetRow = z.infer<typeof fleetRow>

const fleetFile = z.object({
  bench: z.literal('fleet'),
  machine,
  results: z.array(fleetRow),
  failures: z.array(z.object({ scenario: z.string(), error: z.string() })),
})
export type FleetFile = z.infer<typeof fleetFile>

const simFile = z.object({
  bench: z.literal('sim'),
  machine,
  options: z.object({
    gbps: z.number(),
    regions: z.number(),
    cacheRatio: z.number(),
    originRatio: z.number().optional(),
    layers: z.number(),
    zones: z.number(),
    churn: z.number(),
    slow: z.number(),
    dead: z.number(),
    rtt: z.number(),
  }),
  finished: z.boolean(),
  hosts: z.number(),
  bytes: z.number(),
  virtualSeconds: z.object({ p50: z.number(), last: z.number(), lastStaying: z.number() }),
  bound: z.number(),
  ratio: z.number(),
  originRatio: z.number(),
})
export type SimFile = z.infer<typeof simFile>

const spread = z.object({ median: z.number(), least: z.number(), most: z.number() })
const part = z.object({ part: z.string(), mibPerSecond: spread, cpuSecondsPerGiB: spread })
export type PartRow = z.infer<typeof part>

const busiestThread = z.object({ name: z.string(), cpuSecondsPerGiB: z.number() })

const agentRow = z.object({
  channel: z.string(),
  ratio: z.number(),
  firstByteMs: z.number(),
  firstByteP99Ms: z.number(),
  firstBytes: z.number(),
  rssMiB: z.number(),
  cacheCpuSecondsPerGiB: z.number(),
  agentThread: busiestThread.optional(),
  cacheThread: busiestThread.optional(),
  coresUsed: z.number().optional(),
  spread: z.object({ mibPerSecond: spread, cpuSecondsPerGiB: spread }),
  runs: z.number(),
  valid: z.boolean(),
})
export type AgentRow = z.infer<typeof agentRow>

const hostFile = z.object({
  bench: z.literal('host'),
  machine,
  options: z.object({ sizeBytes: z.number(), runs: z.number() }),
  fileSystem: z.string(),
  floor: z.object({ cpuSecondsPerGiB: z.number(), mibPerSecond: z.number(), parts: z.array(part) }).optional(),
  agents: z.array(agentRow),
  pieceChannels: z.array(z.object({ channel: z.string(), sender: part, receiver: part })),
  micro: z.array(microResultSchema),
})
export type HostFile = z.infer<typeof hostFile>

const amounts = z.object({ frames: z.number(), bytes: z.number() })
const rates = z.object({ received: amounts, sent: amounts })
export type RatesRow = z.infer<typeof rates>

const prewarmFile = z.object({
  bench: z.literal('prewarm'),
  machine,
  options: z.object({ heldPercent: z.number(), maxHosts: z.number() }),
  hosts: z.number(),
  blobs: z.number(),
  states: z.number(),
  job: z.object({ state: z.string(), hosts: z.object({ ready: z.number() }) }),
  perHostSecond: z.object({ idle: rates, job: rates, most: rates, content: rates }),
  messagesPerHost: rates,
  rssMiB: z.object({
    alone: z.number(),
    linked: z.number(),
    most: z.number(),
    after: z.number(),
    left: z.number(),
  }),
  kibPerLink: z.number(),
  bytesPerState: z.number(),
  cpuSeconds: z.object({ link: z.number(), job: z.number() }),
  cpuMsPerLink: z.number(),
})
export type PrewarmFile = z.infer<typeof prewarmFile>

const resultFile = z.discriminatedUnion('bench', [fleetFile, simFile, hostFile, prewarmFile])

/** All results, by benchmark, each with its file's name. */
export interface Results {
  readonly fleet: readonly Named<FleetFile>[]
  readonly sim: readonly Named<SimFile>[]
  readonly host: readonly Named<HostFile>[]
  readonly prewarm: readonly Named<PrewarmFile>[]
}

export type Named<T> = T & { readonly file: string }

/** Reads every `.json` in a directory. Throws for one that no benchmark of ours has written. */
export function readResults(directory: string): Results {
  const fleet: Named<FleetFile>[] = []
  const sim: Named<SimFile>[] = []
  const host: Named<HostFile>[] = []
  const prewarm: Named<PrewarmFile>[] = []
  const files = readdirSync(directory).filter((name) => name.endsWith('.json'))
  for (const file of files.sort()) {
    const parsed = resultFile.safeParse(JSON.parse(readFileSync(join(directory, file), 'utf8')))
    if (!parsed.success) throw new TypeError(`${join(directory, file)}: ${z.prettifyError(parsed.error)}`)
    const result = parsed.data
    if (result.bench === 'fleet') fleet.push({ ...result, file })
    else if (result.bench === 'sim') sim.push({ ...result, file })
    else if (result.bench === 'host') host.push({ ...result, file })
    else prewarm.push({ ...result, file })
  }
  return { fleet, sim, host, prewarm }
}

import { setImmediate as turn } from 'node:timers/promises'
import { Command } from 'commander'
import { z } from 'zod'
import { pieceSizeFor } from '../piece/piece-layout.ts'
import type { Bounds, SimResult, World } from '../sim/index.ts'
import { simulation } from '../sim/index.ts'
import type { CommandIo } from './command-io.ts'
import { numberBetween, sizeValue } from './option-values.ts'
import { plainTable } from './plain-table.ts'
import { sizeText } from './quantity-text.ts'

const optionsSchema = z.object({
  hosts: z.number(),
  regions: z.number(),
  caches: z.number(),
  gbps: z.number(),
  cacheGbps: z.number().optional(),
  originGbps: z.number().optional(),
  size: z.number(),
  layers: z.number(),
  rtt: z.number(),
  cached: z.boolean().default(false),
  json: z.boolean().default(false),
})
type PlanOptions = z.infer<typeof optionsSchema>

/** What a plan says, with `--json` as it is. Seconds count from the moment all hosts begin. */
interface Plan {
  readonly hosts: number
  readonly bytes: number
  readonly seconds: { readonly half: number; readonly last: number }
  /** What no way of spreading the image could beat, and the part of the way that makes it so. */
  readonly atBestSeconds: number
  readonly limitedBy: keyof Bounds
  /** What each part of the way alone would take; null for what is not used. */
  readonly limits: Readonly<Record<keyof Bounds, number | null>>
  readonly originBytes: number
  readonly originCopies: number
  /** Copies that the caches of each region send to its hosts. */
  readonly cacheCopies: number
  /** The same pulled from the origin by every host. */
  readonly without: { readonly seconds: number; readonly originBytes: number }
}

/** What an Ethernet frame carries of a link: 1448 bytes of payload in 1514. */
const PAYLOAD = 1448 / 1514

/** The same numbers give the same plan. */
const SEED = 1

/**
 * More is taken in proportion, and an image is cut into this many pieces at most: what a swarm adds to the links' own time is
 * of the size of some pieces, so that a larger image is better off than the plan says.
 */
const MOST_BYTES = 2 ** 30
const MOST_PIECES = 512

const LIMITS: Readonly<Record<keyof Bounds, { readonly name: string; readonly text: string }>> = {
  hosts: { name: "host's link", text: "a host's own link: nothing around it makes this faster" },
  uplinks: {
    name: 'all uplinks',
    text: 'what all uplinks of a region give together: faster or more caches would help',
  },
  caches: {
    name: 'caches',
    text: "the links of a region's caches, which one copy has to pass: faster or more caches would help",
  },
  parents: { name: 'caches above', text: 'what the caches above give each region: faster or more of them would help' },
  origin: {
    name: 'origin',
    text: "the origin's link, which one copy has to pass: a prewarm before the rollout would help",
  },
}

/** From a host outwards. */
const PARTS = ['hosts', 'uplinks', 'caches', 'parents', 'origin'] as const satisfies readonly (keyof Bounds)[]

const HELP = `
Links are counted in 10^9 bits a second, each way. The daemon's own schedulers are run over simulated links, in simulated
time: a hundred hosts take seconds, ten thousand many minutes. Not simulated: disks, CPU, lost packets and other traffic.

Examples:
  shoal plan --hosts 300 --size 2GiB
  shoal plan --hosts 300 --size 2GiB --caches 2 --cache-gbps 10 --origin-gbps 1 --cached
`

/** `shoal plan`: what a rollout would take, from numbers alone; nothing has to run. */
export function createCommand(io: CommandIo): Command {
  return new Command('plan')
    .summary('say how long a rollout would take, and what limits it')
    .description('Simulates a fleet whose hosts all pull one image at the same moment.')
    .option('--hosts <count>', 'hosts that pull, of all regions together', numberBetween(1, 100_000), 100)
    .option('--regions <count>', 'regions; more than one get a core region above them', numberBetween(1, 100), 1)
    .option('--caches <count>', 'caches of a region', numberBetween(1, 100), 1)
    .option('--gbps <rate>', "a host's link", numberBetween(0.001, 400), 1)
    .option('--cache-gbps <rate>', "a cache's link (default: a host's)", numberBetween(0.001, 400))
    .option(
      '--origin-gbps <rate>',
      "what the origin gives in all (default: a cache's link)",
      numberBetween(0.001, 40_000),
    )
    .option('--size <size>', 'bytes of the image', sizeValue, 2 ** 30)
    .option('--layers <count>', 'layers of the image, of equal size', numberBetween(1, 100), 4)
    .option('--rtt <ms>', 'round trip between hosts', numberBetween(0, 1000), 0.5)
    .option('--cached', 'the caches have the image already, as after a prewarm of the caches')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const options = optionsSchema.parse(raw)
      const plan = planOf(options, await simulated(worldOf(options), io))
      io.stdout.write(options.json ? `${JSON.stringify(plan)}\n` : `${planText(plan)}\n`)
    })
}

function worldOf(options: PlanOptions): World {
  const { hosts, regions, caches, gbps, layers, rtt, cached } = options
  const size = Math.min(options.size, MOST_BYTES)
  const cacheGbps = options.cacheGbps ?? gbps
  return {
    hosts,
    regions,
    caches,
    size,
    layers,
    rtt,
    cached,
    gbps: gbps * PAYLOAD,
    cacheRatio: cacheGbps / gbps,
    originRatio: (options.originGbps ?? cacheGbps) / gbps,
    seed: SEED,
    zones: 1,
    churn: 0,
    slow: 0,
    dead: 0,
    join: 5,
    buffer: 2 ** 19,
    pieceSize: Math.max(pieceSizeFor(Math.ceil(size / layers)), 2 ** Math.ceil(Math.log2(size / MOST_PIECES))),
  }
}

/** Lets signals and the terminal in between the steps. */
async function simulated(world: World, { signal, stderr }: CommandIo): Promise<SimResult> {
  const shows = stderr.isTTY === true
  const steps = simulation(world)
  for (;;) {
    const step = steps.next()
    if (shows) stderr.write(step.done ? '\r\u001b[K' : `\rsimulating: ${step.value.toFixed(1)} s of the rollout`)
    if (step.done) return step.value
    await turn()
    signal.throwIfAborted()
  }
}

function planOf(options: PlanOptions, { hosts, bounds, ...result }: SimResult): Plan {
  const bytes = options.size
  const seconds = (simulatedSeconds: number): number => (simulatedSeconds * bytes) / result.bytes
  const part = (name: keyof Bounds): number | null => (bounds[name] === 0 ? null : seconds(bounds[name] / 1000))
  const origin = (options.originGbps ?? options.cacheGbps ?? options.gbps) * PAYLOAD * (1e9 / 8)
  return {
    hosts,
    bytes,
    seconds: { half: seconds(result.virtualSeconds.p50), last: seconds(result.virtualSeconds.last) },
    atBestSeconds: seconds(result.bound),
    // of those that take the same, the nearest to the host: mending the other alone would not help
    limitedBy: PARTS.reduce((slowest, name) => (bounds[name] > bounds[slowest] ? name : slowest)),
    limits: {
      hosts: part('hosts'),
      uplinks: part('uplinks'),
      caches: part('caches'),
      parents: part('parents'),
      origin: part('origin'),
    },
    originBytes: Math.round(result.originRatio * bytes),
    originCopies: result.originRatio,
    cacheCopies: result.cacheCopies,
    without: { seconds: Math.max((hosts * bytes) / origin, part('hosts') ?? 0), originBytes: hosts * bytes },
  }
}

function planText({ hosts, bytes, seconds, limits, ...plan }: Plan): string {
  const parts = PARTS.flatMap((name) => {
    const time = limits[name]
    return time === null ? [] : [`${LIMITS[name].name} ${secondsText(time)}`]
  })
  return plainTable([
    ['Rollout', `${hosts} hosts pull ${sizeText(bytes)} at the same moment`],
    ['Last host', `${secondsText(seconds.last)}; half of them after ${secondsText(seconds.half)}`],
    ['At best', `${secondsText(plan.atBestSeconds)} would be possible: ${parts.join(', ')}`],
    ['Limited by', LIMITS[plan.limitedBy].text],
    ['Origin', `${sizeText(plan.originBytes)}, ${plan.originCopies.toFixed(2)} copies`],
    ['Caches', `${plan.cacheCopies.toFixed(1)} copies out of those of a region`],
    ['Without', `${secondsText(plan.without.seconds)}, and ${sizeText(plan.without.originBytes)} from the origin`],
  ])
}

function secondsText(time: number): string {
  return `${time < 100 ? time.toPrecision(2) : Math.round(time)} s`
}

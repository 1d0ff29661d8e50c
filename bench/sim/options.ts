import { Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { parseSizeBytes } from '../../src/base/quantity.ts'
import { pieceSizeFor } from '../../src/piece/piece-layout.ts'
import type { SwarmOptions } from './swarm-options.ts'
import { GIGABIT, MIB, NO_FAULTS } from './swarm-options.ts'
import { imageBytes } from './swarm-report.ts'

const optionsSchema = z.object({
  hosts: z.number(),
  size: z.number(),
  gbps: z.number(),
  regions: z.number(),
  caches: z.number(),
  cacheRatio: z.number(),
  layers: z.number(),
  zones: z.number(),
  seed: z.number(),
  churn: z.number(),
  slow: z.number(),
  dead: z.number(),
  rtt: z.number(),
  join: z.number(),
  pieceSize: z.number().optional(),
  originRatio: z.number().optional(),
  buffer: z.number(),
  window: z.number().optional(),
  json: z.string().optional(),
})

/** What a run of the simulator does: shares are 0..1, `rtt` and `join` in milliseconds. */
export type SimBenchOptions = z.infer<typeof optionsSchema>

const HELP = `
The daemon's schedulers, batches, neighbour handouts and homes over virtual links in virtual time. The network: every
uplink is shared by its links in turns, a quarter of a piece each; every downlink takes what comes in turn; the core never
blocks; no loss, no headers, no CPU. A piece is written when the rest of it fits into the sender's kernel (--buffer), and
sent when its receiver has said that it has it; of one link --window bytes are on the way at most. Times are from the
common start; the bound is the fluid limit.

Examples:
  npm run bench:sim
  npm run bench:sim -- --hosts 1000 --churn 0.05 --dead 0.01

What bench:fleet does with 16 hosts at 24 Mb/s (95.6 % of it are payload) and an origin of 96 Mb/s, in shallow queues and
an event loop's round trip; --cache-ratio is its --cache-mbps over 24:
  npm run bench:sim -- --hosts 16 --gbps 0.022944 --size 64MiB --layers 4 --cache-ratio 4 --origin-ratio 4 \
    --rtt 1 --window 128KiB
`

/** The command line of the simulator; `run` gets what it says. */
export function simCommand(run: (options: SimBenchOptions) => Promise<void>): Command {
  return new Command('bench:sim')
    .description('The real schedulers over virtual links, against the physical bound.')
    .option('--hosts <count>', 'hosts that pull', number(1, 100_000), 10_000)
    .option('--size <size>', 'bytes of the image', size, parseSizeBytes('1GiB'))
    .option('--gbps <rate>', "a host's link, each way", number(0.001, 400), 10)
    .option('--regions <count>', 'regions; more than one get a core region above them', number(1, 100), 1)
    .option('--caches <count>', 'caches of a region', number(1, 100), 1)
    .option('--cache-ratio <times>', "a cache's link over a host's", number(0.1, 1000), 8)
    .option('--layers <count>', 'layers of the image', number(1, 100), 1)
    .option('--zones <count>', 'zones of a region', number(1, 100), 1)
    .option('--seed <number>', 'of everything random', number(0, 2 ** 31), 1)
    .option('--churn <share>', 'hosts that vanish during the time of the bound, and come back', number(0, 10), 0)
    .option('--slow <share>', 'hosts with a tenth of the uplink', number(0, 1), 0)
    .option('--dead <share>', 'hosts that take requests and never answer', number(0, 0.9), 0)
    .option('--rtt <ms>', 'round trip between any two hosts', number(0, 10_000), 0.3)
    .option('--join <ms>', 'hosts come within this time', number(0, 3_600_000), 5)
    .option('--piece-size <size>', 'instead of the one that follows from the size', size)
    .option('--origin-ratio <times>', "the origin's link over a host's; a cache's, unless given", number(0.01, 100_000))
    .option('--buffer <size>', "bytes of one connection that a sender's kernel takes", size, MIB / 2)
    .option('--window <size>', 'bytes of one connection that may be on the way', size)
    .option('--json <file>', 'write the result there')
    .addHelpText('after', HELP)
    .action((options: unknown) => run(optionsSchema.parse(options)))
}

/** The world that the command line describes. */
export function swarmOptions(options: SimBenchOptions): SwarmOptions {
  const { hosts, regions, caches, cacheRatio, layers, zones, seed, slow, dead, churn } = options
  const hostRate = (options.gbps * 1e9) / 8 / 1000
  const layerBytes = Math.ceil(options.size / layers)
  const pieceBytes = options.pieceSize ?? pieceSizeFor(layerBytes)
  const pieces = Math.ceil(layerBytes / pieceBytes)
  const still: SwarmOptions = {
    ...GIGABIT,
    ...{ seed, hosts, regions, caches, cacheRatio, zones, slow, dead, hostRate },
    blobs: Array.from({ length: layers }, (_, i) => ({ blob: i + 1, pieces, pieceBytes, order: i })),
    originRate: (options.originRatio ?? cacheRatio) * hostRate,
    latencyMs: options.rtt / 2,
    jitterMs: options.rtt / 10,
    // what yamux and the kernel let be on the way: enough for the round trip, at least a few blocks
    windowBytes: options.window ?? Math.max(MIB, 2 * pieceBytes, options.rtt * hostRate),
    bufferBytes: options.buffer,
    joinWithinMs: options.join,
  }
  if (churn === 0) return still
  const boundMs = imageBytes(still) / hostRate
  const leaveEveryMs = boundMs / (churn * hosts)
  return { ...still, faults: { ...NO_FAULTS, leaveEveryMs, awayMs: boundMs / 4, untilMs: boundMs } }
}

function number(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new InvalidArgumentError(`must be a number from ${least} to ${most}`)
    return value
  }
}

function size(text: string): number {
  const bytes = parseSizeBytes(text)
  if (bytes === undefined || bytes <= 0) throw new InvalidArgumentError('must be a size such as 64MiB')
  return bytes
}

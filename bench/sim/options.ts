import { Command } from 'commander'
import { z } from 'zod'
import { numberBetween as number, sizeValue as size } from '../../src/cli/option-values.ts'
import type { World } from '../../src/sim/index.ts'

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

/** The world to run, and where its result goes. */
export type SimBenchOptions = World & z.infer<typeof optionsSchema>

const HELP = `
The daemon's schedulers, batches, neighbour handouts and homes over virtual links in virtual time. The network: every
uplink is shared by its links in turns, a quarter of a piece each; every downlink takes what comes in turn; the core never
blocks; no loss, no headers, no CPU. A piece is written when the rest of it fits into the sender's kernel (--buffer), and
sent when its receiver has said that it has it; of one link --window bytes are on the way at most. Times are from the
common start; the bound is the fluid limit or, later than that, when a host that came back can have what it missed then.

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
    .option('--size <size>', 'bytes of the image', size, 2 ** 30)
    .option('--gbps <rate>', "a host's link, each way", number(0.001, 400), 10)
    .option('--regions <count>', 'regions; more than one get a core region above them', number(1, 100), 1)
    .option('--caches <count>', 'caches of a region', number(1, 100), 1)
    .option('--cache-ratio <times>', "a cache's link over a host's", number(0.1, 1000), 8)
    .option('--layers <count>', 'layers of the image', number(1, 127), 1)
    .option('--zones <count>', 'zones of a region', number(1, 100), 1)
    .option('--seed <number>', 'of everything random', number(0, 2 ** 31), 1)
    .option('--churn <share>', 'hosts that vanish during the time of the bound, and come back', number(0, 10), 0)
    .option('--slow <share>', 'hosts with a tenth of the uplink', number(0, 1), 0)
    .option('--dead <share>', 'hosts that take requests and never answer', number(0, 0.9), 0)
    .option('--rtt <ms>', 'round trip between any two hosts', number(0, 10_000), 0.3)
    .option('--join <ms>', 'hosts come within this time', number(0, 3_600_000), 5)
    .option('--piece-size <size>', 'instead of the one that follows from the size', size)
    .option('--origin-ratio <times>', "the origin's link over a host's; a cache's, unless given", number(0.01, 100_000))
    .option('--buffer <size>', "bytes of one connection that a sender's kernel takes", size, 2 ** 19)
    .option('--window <size>', 'bytes of one connection that may be on the way', size)
    .option('--json <file>', 'write the result there')
    .addHelpText('after', HELP)
    .action((options: unknown) => run(optionsSchema.parse(options)))
}

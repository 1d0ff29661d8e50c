import { Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { wholeNumber } from '../support/whole-number.ts'

/** What a run of the benchmark does. */
export interface PrewarmBenchOptions {
  readonly hosts: number
  /** Blobs of the job: so many states a host. */
  readonly blobs: number
  readonly blobBytes: number
  /** Of the blobs, how many in a hundred every host has before the job: layers that it shares with the image before. */
  readonly heldPercent: number
  /** As `shoal prewarm --waves` takes them. */
  readonly waves: readonly string[]
  /** Hosts at work at the same time; 0 = unlimited. */
  readonly maxHosts: number
  /** Processes that the hosts share. */
  readonly processes: number
  /** The job must have ended by then. */
  readonly timeoutSeconds: number
  readonly json: string | undefined
}

const MOST_HOSTS = 50_000
const MOST_BLOBS = 6_400
const AMOUNT = /^\d+(\.\d+)?%?$/

const optionsSchema = z.object({
  hosts: z.number(),
  blobs: z.number(),
  blobSize: z.number(),
  held: z.number(),
  waves: z.array(z.string()),
  maxHosts: z.number(),
  processes: z.number(),
  timeout: z.number(),
  json: z.string().optional(),
})

const HELP = `
One real cache, and hosts in a few processes that have the daemon's own links (TCP, noise, proven membership), tier,
transfers and prewarm worker, but no mirror and no disk: they forget the bytes of the small blobs they receive. A job over
all of them is submitted at the cache's admin server. Counted is what the cache hears and says, its CPU and its memory; how
long it takes says little, for all the hosts run on this one machine.

A process may have so many files open as "ulimit -n" says: the cache needs one a host, the hosts' processes two.

Examples:
  npm run bench:prewarm
  npm run bench:prewarm -- --hosts 10000 --blobs 200 --held 90 --json bench/results/prewarm.json
  npm run bench:prewarm -- --hosts 200 --blobs 20 --waves 1,10%,100%
`

/** The command line of the benchmark; `run` gets what it says. */
export function prewarmCommand(run: (options: PrewarmBenchOptions) => Promise<void>): Command {
  return new Command('bench:prewarm')
    .description('What a prewarm job of thousands of hosts costs their cache.')
    .option('--hosts <count>', 'hosts of the job', wholeNumber(1, MOST_HOSTS), 2000)
    .option('--blobs <count>', 'blobs of the job', wholeNumber(2, MOST_BLOBS), 1000)
    .option('--blob-size <bytes>', 'bytes of each', wholeNumber(1, 65_536), 256)
    .option('--held <percent>', 'of the blobs, what every host has already', wholeNumber(0, 100), 0)
    .option('--waves <list>', 'hosts of each wave, as shoal prewarm takes them', amounts, ['10%', '100%'])
    .option('--max-hosts <count>', 'hosts at work at the same time, 0 = all', wholeNumber(0, MOST_HOSTS), 0)
    .option('--processes <count>', 'processes that the hosts share', wholeNumber(1, 64), 4)
    .option('--timeout <seconds>', 'the job must have ended by then', wholeNumber(10, 36_000), 1800)
    .option('--json <file>', 'write the result there too')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const {
        blobSize: blobBytes,
        held: heldPercent,
        timeout: timeoutSeconds,
        json,
        ...rest
      } = optionsSchema.parse(raw)
      await run({ ...rest, blobBytes, heldPercent, timeoutSeconds, json })
    })
}

function amounts(text: string): string[] {
  const all = text.split(',')
  if (all.every((one) => AMOUNT.test(one))) return all
  throw new InvalidArgumentError('must be numbers or percentages, such as 1,10%,100%')
}

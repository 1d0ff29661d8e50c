import { Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { wholeNumber } from '../../bench/support/whole-number.ts'
import type { FaultName } from './names.ts'
import { FAULTS } from './names.ts'

/** What a call of the runner does. */
export interface ChaosOptions {
  readonly seeds: readonly number[]
  /** Of the one seed's faults, these; all when undefined. */
  readonly only: readonly number[] | undefined
  readonly seconds: number
  readonly faults: readonly [least: number, most: number]
  /** Which faults there are; all when undefined. */
  readonly among: readonly FaultName[] | undefined
  readonly shrink: boolean
  /** Counts are added to those in this file. */
  readonly results: string | undefined
  /** The page whose table is written from them. */
  readonly page: string | undefined
}

const HELP = `
Each seed is a fleet of its own: two regions, three caches, three agents, real processes in network namespaces, pulled from
without pause as docker, containerd and podman do, while its faults come and go. Needs root, iproute2 and iptables.

Examples:
  npm run chaos
  npm run chaos -- --seeds 1-200 --results test/chaos/counts.json --page docs/reliability.md
  npm run chaos -- --seeds 17 --only 2,5
`

const optionsSchema = z.object({
  seeds: z.array(z.number()),
  only: z.array(z.number()).optional(),
  seconds: z.number(),
  faults: z.tuple([z.number(), z.number()]),
  among: z.array(z.enum(FAULTS)).optional(),
  shrink: z.boolean(),
  results: z.string().optional(),
  page: z.string().optional(),
})

/** The command line; `run` gets what it says. */
export function chaosCommand(run: (options: ChaosOptions) => Promise<void>): Command {
  return new Command('chaos')
    .description('Faults by seeded schedules, and what must hold throughout.')
    .option('--seeds <seeds>', 'which: 7, 1-20, 3,9', seeds, [1, 2, 3])
    .option('--only <numbers>', 'only these faults of the schedule', numbers)
    .option('--seconds <count>', 'how long faults go on in each', wholeNumber(5, 3600), 15)
    .option('--faults <range>', 'how many in each: 2-5', range, [2, 5])
    .option('--among <faults>', 'which faults there are, by name: kill,stop', names)
    .option('--no-shrink', 'do not look for the faults that matter in one that fails')
    .option('--results <file>', 'add what happened to this file')
    .option('--page <file>', 'write the table of that file into this page')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const { only, among, results, page, ...rest } = optionsSchema.parse(raw)
      await run({ ...rest, only, among, results, page })
    })
}

function numbers(text: string): number[] {
  return text.split(',').map(wholeNumber(0, 1_000_000))
}

function names(text: string): string[] {
  const all = text.split(',')
  const unknown = all.find((name) => !(FAULTS as readonly string[]).includes(name))
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of: ${FAULTS.join(', ')}`)
  return all
}

function range(text: string): [number, number] {
  const [least = 0, most = least] = text.split('-').map(wholeNumber(1, 50))
  if (most < least) throw new InvalidArgumentError('must begin with the smaller one')
  return [least, most]
}

function seeds(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(wholeNumber(0, 1_000_000))
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

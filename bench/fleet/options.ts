import { Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { parseSizeBytes } from '../../src/base/quantity.ts'
import { wholeNumber } from '../support/whole-number.ts'
import type { BaselineName, ScenarioName } from './names.ts'
import { BASELINES, isBaseline, isScenario, SCENARIOS } from './names.ts'

/** What a run of the benchmark does. Rates are of the link, frames counted, in megabits per second and both ways. */
export interface FleetBenchOptions {
  readonly hosts: number
  readonly mbps: number
  readonly cacheMbps: number
  readonly originMbps: number
  readonly sizeBytes: number
  readonly layers: number
  readonly scenarios: readonly ScenarioName[]
  readonly baselines: readonly BaselineName[]
  readonly runs: number
  readonly json: string | undefined
}

const MIN_SIZE_BYTES = 64 * 1024

const optionsSchema = z.object({
  hosts: z.number(),
  mbps: z.number(),
  cacheMbps: z.number(),
  originMbps: z.number(),
  size: z.number(),
  layers: z.number(),
  scenario: z.array(z.enum(SCENARIOS)),
  baseline: z.array(z.enum(BASELINES)),
  runs: z.number(),
  json: z.string().optional(),
})

const HELP = `
Every host is a network namespace with a shaped link; the origin (S3) and the cache have theirs. All hosts start at one
signal, each with a client of its own on its mirror. Needs root and iproute2. A run during which the machine was the limit
is declared invalid.

Scenarios (--scenario a,b or all): ${SCENARIOS.join(' ')}
Baselines (--baseline a,b or all): ${BASELINES.join(' ')}

Examples:
  npm run bench:fleet
  npm run bench:fleet -- --scenario burst,warm --runs 5 --json bench/results/fleet.json
  npm run bench:fleet -- --hosts 4 --size 16MiB --scenario burst --baseline all
`

/** The command line of the benchmark; `run` gets what it says. */
export function benchCommand(run: (options: FleetBenchOptions) => Promise<void>): Command {
  return new Command('bench:fleet')
    .description('Real daemons over shaped links, against the physical bound.')
    .option('--hosts <count>', 'hosts that pull', wholeNumber(2, 64), 16)
    .option('--mbps <rate>', "a host's link", rate, 24)
    .option('--cache-mbps <rate>', "the cache's link", rate, 96)
    .option('--origin-mbps <rate>', "the origin's link", rate, 96)
    .option('--size <size>', 'bytes of the image', size, parseSizeBytes('64MiB'))
    .option('--layers <count>', 'layers of the image', wholeNumber(1, 100), 4)
    .option('--scenario <names>', 'what happens', names(SCENARIOS, isScenario), ['burst'])
    .option('--baseline <names>', 'what it is compared with, in the same namespaces', names(BASELINES, isBaseline), [])
    .option('--runs <count>', 'times each', wholeNumber(1, 100), 1)
    .option('--json <file>', 'write the result there too')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const { size: sizeBytes, scenario: scenarios, baseline: baselines, json, ...rest } = optionsSchema.parse(raw)
      await run({ ...rest, sizeBytes, scenarios, baselines, json })
    })
}

function rate(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (value >= 1 && value <= 10_000) return value
  throw new InvalidArgumentError('must be 1 to 10000 (megabits per second)')
}

function size(text: string): number {
  const bytes = parseSizeBytes(text)
  if (bytes !== undefined && bytes >= MIN_SIZE_BYTES) return bytes
  throw new InvalidArgumentError('must be a size such as 64MiB, at least 64KiB')
}

function names<T extends string>(all: readonly T[], isOne: (text: string) => text is T): (text: string) => T[] {
  return (text) => {
    if (text === 'all') return [...all]
    const wanted = text.split(',')
    const unknown = wanted.find((name) => !isOne(name))
    if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of: all, ${all.join(', ')}`)
    return wanted.filter(isOne)
  }
}

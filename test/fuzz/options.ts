import { Command, Option } from 'commander'
import { z } from 'zod'
import { wholeNumber } from '../../bench/support/whole-number.ts'
import type { TargetName } from './names.ts'
import { TARGETS } from './names.ts'

/** What a call of the runner does. */
export interface FuzzOptions {
  readonly targets: readonly TargetName[]
  /** Inputs for each. */
  readonly runs: number
  readonly seed: number
  /** One input, by its place in the batch of the seed. */
  readonly path: string | undefined
  /** Counts are put in this file. */
  readonly results: string | undefined
  /** The page whose table is written from them. */
  readonly page: string | undefined
}

const HELP = `
Reads inputs that are right, nearly right and anything with each parser of bytes from outside. Faults are: whatever is thrown
that is no refusal, a result that must not be, an input that costs ten times what others of its size do, memory that stays.

Examples:
  npm run fuzz
  npm run fuzz -- --runs 1000000 --results test/fuzz/counts.json --page docs/reliability.md
  npm run fuzz -- --only manifests,ranges --runs 100000 --seed 7
`

const optionsSchema = z.object({
  only: z.array(z.enum(TARGETS)),
  runs: z.number(),
  seed: z.number(),
  path: z.string().optional(),
  results: z.string().optional(),
  page: z.string().optional(),
})

/** The command line; `run` gets what it says. */
export function fuzzCommand(run: (options: FuzzOptions) => Promise<void>): Command {
  return new Command('fuzz')
    .description('Inputs of all kinds for every parser of bytes from outside.')
    .addOption(
      new Option('--only <names>', `which, of: ${TARGETS.join(', ')}`).default(TARGETS, 'all').argParser(names),
    )
    .option('--runs <count>', 'inputs for each', wholeNumber(1, 1_000_000_000), 20_000)
    .option('--seed <seed>', 'what the inputs are made from', wholeNumber(0, 2_000_000_000), 1)
    .option('--path <path>', 'only the input of that seed which a fault was found with')
    .option('--results <file>', 'put the counts in this file')
    .option('--page <file>', 'write the table of that file into this page')
    .addHelpText('after', HELP)
    .action(async (raw: unknown) => {
      const { only, path, results, page, ...rest } = optionsSchema.parse(raw)
      await run({ ...rest, targets: only, path, results, page })
    })
}

function names(text: string): string[] {
  return text.split(',')
}

/** The command that reads the input of a fault again. */
export function replayCommand(
  target: TargetName,
  { seed, path }: { readonly seed: number; readonly path: string },
): string {
  return `npm run fuzz -- --only ${target} --seed ${seed} --path ${path}`
}

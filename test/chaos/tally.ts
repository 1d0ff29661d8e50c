import { readFile, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { replaceBlock } from '../../bench/readme/block.ts'
import { FAULT_TABLE } from './faults/index.ts'
import { FAULTS } from './names.ts'
import type { RunResult } from './run.ts'

const countsSchema = z.record(z.string(), z.number())
const tallySchema = z.object({
  runs: z.number(),
  failed: z.array(z.number()),
  /** Runs in which a fault was put in effect, and how often in all. */
  faults: countsSchema,
  pulls: countsSchema,
  healedMs: z.object({ most: z.number() }),
  slowestHealthMs: z.number(),
  originCopies: z.object({ runs: z.number(), sum: z.number(), most: z.number() }),
})
/** What all runs so far did. */
export type Tally = z.infer<typeof tallySchema>

export const EMPTY_TALLY: Tally = {
  runs: 0,
  failed: [],
  faults: {},
  pulls: {},
  healedMs: { most: 0 },
  slowestHealthMs: 0,
  originCopies: { runs: 0, sum: 0, most: 0 },
}

export async function readTally(file: string): Promise<Tally> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? EMPTY_TALLY : tallySchema.parse(JSON.parse(text))
}

export async function writeTally(file: string, tally: Tally): Promise<void> {
  await writeFile(file, `${JSON.stringify(tally, null, 2)}\n`)
}

export function withRun(tally: Tally, run: RunResult): Tally {
  const { schedule, fired, breaches, pulls, healed, slowestHealthMs, originCopies } = run
  const { runs, sum, most } = tally.originCopies
  return {
    runs: tally.runs + 1,
    failed: breaches.length === 0 ? tally.failed : [...tally.failed, schedule.seed],
    faults: added(
      tally.faults,
      fired.map((fault) => [fault, 1] as const),
    ),
    pulls: added(tally.pulls, Object.entries(pulls)),
    healedMs: { most: Math.max(tally.healedMs.most, healed.ms) },
    slowestHealthMs: Math.max(tally.slowestHealthMs, slowestHealthMs),
    originCopies:
      originCopies === undefined
        ? tally.originCopies
        : { runs: runs + 1, sum: sum + originCopies, most: Math.max(most, originCopies) },
  }
}

function added(counts: Readonly<Record<string, number>>, more: readonly (readonly [string, number])[]) {
  const sum = { ...counts }
  for (const [key, by] of more) sum[key] = (sum[key] ?? 0) + by
  return sum
}

/** The table of a page, with what was counted before it. */
export function tallyText({ runs, failed, faults, pulls, healedMs, slowestHealthMs, originCopies }: Tally): string {
  const total = Object.values(faults).reduce((sum, count) => sum + count, 0)
  const count = (result: string): number => pulls[result] ?? 0
  const rows = FAULTS.map((name) => {
    const times = faults[name] ?? 0
    return `| \`${name}\` | ${FAULT_TABLE[name].what} | ${times} | ${((100 * times) / Math.max(1, total)).toFixed(1)} % |`
  })
  return [
    '<!-- written by npm run chaos -- --results ... --page ... -->',
    '',
    `${runs} runs, ${failed.length} of them with a broken invariant${failed.length === 0 ? '' : ` (seeds ${failed.join(', ')})`}; ` +
      `${total} faults. Pulls that ended whole: ${count('whole')}; sent to the registry by a prompt 404: ${count('refused')}; ` +
      `cut, which a runtime repeats: ${count('cut')}; wrong: ${count('wrong')}; hung: ${count('hung')}. ` +
      `After the last fault everything could be pulled everywhere within ${(healedMs.most / 1000).toFixed(1)} s. ` +
      `Copies that left the origin: ${(originCopies.sum / Math.max(1, originCopies.runs)).toFixed(2)} on average, ` +
      `${originCopies.most.toFixed(2)} at most. The slowest answer of /healthz and /metrics took ${slowestHealthMs} ms.`,
    '',
    '| fault | what happens | times | share |',
    '| --- | --- | ---: | ---: |',
    ...rows,
  ].join('\n')
}

export async function writePage(file: string, tally: Tally): Promise<void> {
  await writeFile(file, replaceBlock(await readFile(file, 'utf8'), tallyText(tally)))
}

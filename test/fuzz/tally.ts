import { readFile, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { replaceBlock } from '../../bench/readme/block.ts'
import { TARGETS } from './names.ts'
import { TARGET_TABLE } from './targets/index.ts'

const countsSchema = z.object({
  inputs: z.number(),
  taken: z.number(),
  bytes: z.number(),
  seconds: z.number(),
  grownBytes: z.number(),
  faults: z.number(),
})
const tallySchema = z.partialRecord(z.enum(TARGETS), countsSchema)
/** What the last run of each target did. */
export type Tally = z.infer<typeof tallySchema>

export async function readTally(file: string): Promise<Tally> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? {} : tallySchema.parse(JSON.parse(text))
}

export async function writeTally(file: string, tally: Tally): Promise<void> {
  await writeFile(file, `${JSON.stringify(tally, null, 2)}\n`)
}

/** The table of a page. */
export function tallyText(tally: Tally): string {
  const rows = TARGETS.map((name) => {
    const { inputs, taken, bytes, grownBytes, faults } = tally[name] ?? NOTHING
    const share = ((100 * taken) / Math.max(1, inputs)).toFixed(0)
    const [mib, grown] = [(bytes / 2 ** 20).toFixed(0), Math.max(0, grownBytes / 1024).toFixed(0)]
    return `| \`${name}\` | ${TARGET_TABLE[name].what} | ${inputs} | ${share} % | ${mib} | ${grown} | ${faults} |`
  })
  return [
    '<!-- written by npm run fuzz -- --results ... --page ... -->',
    '',
    '| parser | what it reads | inputs | taken | MiB read | KiB that stayed | faults |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n')
}

const NOTHING = { inputs: 0, taken: 0, bytes: 0, seconds: 0, grownBytes: 0, faults: 0 }

export async function writePage(file: string, tally: Tally): Promise<void> {
  await writeFile(file, replaceBlock(await readFile(file, 'utf8'), tallyText(tally), 'fuzz'))
}

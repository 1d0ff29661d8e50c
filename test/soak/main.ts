import { readFile, writeFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { Command, InvalidArgumentError } from 'commander'
import { interruption } from '../../bench/support/interruption.ts'
import { writePage } from './page.ts'
import { soakPicture } from './picture.ts'
import { HOLDINGS } from './sample.ts'
import type { SoakResult } from './soak.ts'
import { resultSchema, soak } from './soak.ts'

interface SoakOptions {
  readonly minutes: number
  /** An SVG of what was held. */
  readonly picture?: string
  readonly json?: string
  /** The page whose part is written from it. */
  readonly page?: string
  /** A result of before, in place of a run. */
  readonly from?: string
}

const signal = interruption()
const say = (text: string): void => void process.stdout.write(`${text}\n`)

async function run({ minutes, picture, json, page, from }: SoakOptions): Promise<void> {
  const result = from === undefined ? await soak(minutes, signal, say) : resultSchema.parse(await readJson(from))
  say(resultText(result))
  if (picture !== undefined) await writeFile(picture, soakPicture(result.hosts))
  if (page !== undefined) await writePage(page, result)
  if (json !== undefined) await writeFile(json, `${JSON.stringify(result, null, 2)}\n`)
  if (result.breaches.length > 0) process.exitCode = 1
}

function resultText({ minutes, rounds, hosts, overload, breaches }: SoakResult): string {
  const rows = hosts.map(({ name, points, slopes }) => {
    const cells = HOLDINGS.map((what) => {
      const { perMinute, error } = slopes[what]
      const level = points[what].at(-1)?.value ?? 0
      return `${what} ${Math.round(level)} (${perMinute.toFixed(3)} +- ${error.toFixed(3)} a minute)`
    })
    return `  ${name}: ${cells.join(', ')}`
  })
  const statuses = Object.entries(overload.statuses).map(([status, count]) => `${status}: ${count}`)
  return [
    `${rounds} rounds in ${minutes.toFixed(1)} minutes`,
    ...rows,
    `overload: ${statuses.join(', ')}; a pull took ${overload.pace.toFixed(1)} times as long; ` +
      `/metrics p99 ${overload.metricsP99Ms} ms, ${overload.metricsFailed} failed`,
    ...breaches.map((breach) => `! ${breach}`),
  ].join('\n')
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'))
}

function minutesOf(text: string): number {
  const value = Number(text)
  if (value > 0 && value <= 1_440) return value
  throw new InvalidArgumentError('must be more than 0 and at most 1440')
}

try {
  await new Command('soak')
    .description('Bursts and prewarms on two caches and six agents for a while, then an overload: what grows?')
    .option('--minutes <count>', 'how long', minutesOf, 60)
    .option('--picture <file>', 'an SVG of memory, files and sockets')
    .option('--json <file>', 'all of it')
    .option('--page <file>', 'write what it found into this page, beside the picture')
    .option('--from <file>', 'take what --json left in place of a run')
    .action((options: SoakOptions) => run(options))
    .parseAsync()
} catch (error) {
  process.stderr.write(`soak: ${inspect(error)}\n`)
  process.exitCode = 1
}

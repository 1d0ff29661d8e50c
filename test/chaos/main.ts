import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { interruption } from '../../bench/support/interruption.ts'
import type { Images } from './images.ts'
import { buildImages } from './images.ts'
import type { ChaosOptions } from './options.ts'
import { chaosCommand } from './options.ts'
import type { RunResult } from './run.ts'
import { runSchedule } from './run.ts'
import type { Schedule } from './schedule.ts'
import { only, scheduleOf } from './schedule.ts'
import { replayCommand, shrink } from './shrink.ts'
import { EMPTY_TALLY, readTally, withRun, writePage, writeTally } from './tally.ts'

const signal = interruption()
const say = (text: string): void => void process.stdout.write(`${text}\n`)

async function run(options: ChaosOptions): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-chaos-images-'))
  try {
    await runSeeds(options, await buildImages(directory))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function runSeeds(options: ChaosOptions, images: Images): Promise<void> {
  const { seconds, results, page } = options
  let tally = results === undefined ? EMPTY_TALLY : await readTally(results)
  for (const seed of options.seeds) {
    const whole = scheduleOf(seed, options)
    const schedule = options.only === undefined ? whole : only(whole, options.only)
    say(scheduleText(schedule))
    const result = await runSchedule(schedule, { images, seconds, signal })
    say(resultText(result))
    tally = withRun(tally, result)
    if (results !== undefined) await writeTally(results, tally)
    if (result.breaches.length > 0) await explain(schedule, images, options)
  }
  if (page !== undefined) await writePage(page, tally)
}

async function explain(schedule: Schedule, images: Images, options: ChaosOptions): Promise<void> {
  process.exitCode = 1
  say(`  replay: ${replayCommand(schedule, options)}`)
  if (!options.shrink || schedule.events.length < 2) return
  const smallest = await shrink(schedule, async (smaller) => {
    const { breaches } = await runSchedule(smaller, { images, seconds: options.seconds, signal })
    say(
      `  ${breaches.length > 0 ? 'still fails' : 'holds'} with ${smaller.events.map(({ fault }) => fault).join(', ')}`,
    )
    return breaches.length > 0
  })
  say(`  smallest: ${replayCommand(smallest, options)}`)
}

function scheduleText({ seed, origin, events }: Schedule): string {
  const faults = events.map(({ number, fault, atMs, forMs }) => `${number}:${fault}@${atMs / 1000}+${forMs / 1000}`)
  return `seed ${seed} (${origin}): ${faults.join(' ')}`
}

function resultText({ breaches, pulls, healed, slowestHealthMs, originCopies, logs }: RunResult): string {
  const counts = Object.entries(pulls).flatMap(([result, count]) => (count > 0 ? `${result} ${count}` : []))
  const copies = originCopies === undefined ? '' : `, ${originCopies.toFixed(2)} copies`
  const line = `  ${breaches.length === 0 ? 'held' : 'BROKEN'}: ${counts.join(', ')}; healed ${healed.ms} ms, slowest ${healed.slowest}, health ${slowestHealthMs} ms${copies}`
  const where = logs === undefined ? [] : [`  logs: ${logs}`]
  return [line, ...breaches.map((breach) => `  ! ${breach}`), ...where].join('\n')
}

try {
  await chaosCommand(run).parseAsync()
} catch (error) {
  process.stderr.write(`chaos: ${inspect(error)}\n`)
  process.exitCode = 1
}

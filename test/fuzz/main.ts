import { inspect } from 'node:util'
import { interruption } from '../../bench/support/interruption.ts'
import { TempDir } from '../support/temp-dir.ts'
import { Growth } from './growth.ts'
import type { TargetName } from './names.ts'
import type { FuzzOptions } from './options.ts'
import { fuzzCommand, replayCommand } from './options.ts'
import { Pace } from './pace.ts'
import type { Fault, FuzzRun } from './run.ts'
import { fuzz, replay } from './run.ts'
import type { Tally } from './tally.ts'
import { readTally, writePage, writeTally } from './tally.ts'
import { Watchdog } from './watchdog.ts'

const signal = interruption()
const say = (text: string): void => void process.stdout.write(`${text}\n`)

async function run(options: FuzzOptions): Promise<void> {
  await using scratch = await TempDir.make()
  let tally: Tally = options.results === undefined ? {} : await readTally(options.results)
  for (const name of options.targets) {
    if (signal.aborted) return
    using watchdog = new Watchdog(name)
    const reads = (bytes: Uint8Array): void => watchdog.reads(bytes)
    const { runs, seed } = options
    const fuzzRun = { runs, seed, scratch: scratch.path, reads }
    if (options.path !== undefined) await again(name, fuzzRun, options.path)
    else tally = { ...tally, [name]: await counted(name, fuzzRun) }
    if (options.results !== undefined) await writeTally(options.results, tally)
  }
  if (options.page !== undefined) await writePage(options.page, tally)
}

async function counted(name: TargetName, run: FuzzRun) {
  const growth = new Growth()
  const began = performance.now()
  const { inputs, taken, bytes, fault } = await fuzz(name, {
    ...run,
    pace: new Pace(),
    between: () => {
      signal.throwIfAborted()
      growth.look()
    },
  })
  const seconds = (performance.now() - began) / 1000
  const grown = growth.problem(inputs)
  const held = fault === undefined && grown === undefined
  const percent = ((100 * taken) / Math.max(1, inputs)).toFixed(0)
  say(`${name}: ${held ? 'held' : 'BROKEN'}: ${inputs} inputs, ${percent} % taken, ${seconds.toFixed(1)} s`)
  if (fault !== undefined) explain(name, fault)
  if (grown !== undefined) say(`  ! ${grown}`)
  if (!held) process.exitCode = 1
  return { inputs, taken, bytes, seconds, grownBytes: growth.bytes, faults: held ? 0 : 1 }
}

async function again(name: TargetName, run: FuzzRun, path: string): Promise<void> {
  const { fault } = await replay(name, run, path)
  if (fault === undefined) return say(`${name}: held`)
  process.exitCode = 1
  explain(name, fault)
}

function explain(name: TargetName, fault: Fault): void {
  say(`  ! ${fault.text}`)
  say(`  input (base64): ${Buffer.from(fault.input).toString('base64')}`)
  say(`  replay: ${replayCommand(name, fault)}`)
}

try {
  await fuzzCommand(run).parseAsync()
} catch (error) {
  process.stderr.write(`fuzz: ${inspect(error)}\n`)
  process.exitCode = 1
}

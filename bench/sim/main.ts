import { errorText } from '../../src/base/errors.ts'
import { simulate } from '../../src/sim/index.ts'
import { describeMachine } from '../support/machine.ts'
import { writeResult } from '../support/result-file.ts'
import type { SimBenchOptions } from './options.ts'
import { simCommand } from './options.ts'

async function run(options: SimBenchOptions): Promise<void> {
  const startedAt = performance.now()
  const simulated = simulate(options)
  const { user, system } = process.cpuUsage()
  const wallSeconds = (performance.now() - startedAt) / 1000
  // on a machine that does other things the wall says little
  const result = { ...simulated, wallSeconds, cpuSeconds: (user + system) / 1e6 }
  const rows = Object.entries(result).map(([key, value]) => `${key.padEnd(24)}${text(value)}`)
  process.stdout.write(`${rows.join('\n')}\n`)
  const { json, ...asked } = options
  if (json !== undefined)
    await writeResult(json, { bench: 'sim', machine: describeMachine(), options: asked, ...result })
  if (!result.finished) process.exitCode = 1
}

function text(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(4)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

try {
  await simCommand(run).parseAsync()
} catch (error) {
  process.stderr.write(`bench:sim: ${errorText(error)}\n`)
  process.exitCode = 1
}

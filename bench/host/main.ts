import { errorText } from '../../src/base/errors.ts'
import { interruption } from '../support/interruption.ts'
import { describeMachine } from '../support/machine.ts'
import { writeResult } from '../support/result-file.ts'
import { runBench } from './bench.ts'
import type { HostBenchOptions } from './options.ts'
import { hostCommand } from './options.ts'
import { resultObject, resultText } from './report.ts'

const signal = interruption()

async function run(options: HostBenchOptions): Promise<void> {
  const machine = describeMachine()
  const result = await runBench(options, signal, { say: (what) => void process.stderr.write(`${what}\n`) })
  if (options.json !== undefined) await writeResult(options.json, resultObject(machine, options, result))
  process.stdout.write(`${resultText(machine, options, result)}\n`)
  // A run that something else disturbed is no result.
  if (result.agents.some(({ valid }) => !valid)) process.exitCode = 1
}

try {
  await hostCommand(run).parseAsync()
} catch (error) {
  process.stderr.write(`bench:host: ${errorText(error)}\n`)
  process.exitCode = 1
}

import { errorText } from '../../src/base/errors.ts'
import { interruption } from '../support/interruption.ts'
import { describeMachine } from '../support/machine.ts'
import { writeResult } from '../support/result-file.ts'
import { runBench } from './bench.ts'
import type { PrewarmBenchOptions } from './options.ts'
import { prewarmCommand } from './options.ts'
import { resultObject, resultText } from './report.ts'

const signal = interruption()

async function run(options: PrewarmBenchOptions): Promise<void> {
  const machine = describeMachine()
  const result = await runBench(options, signal, { say: (what) => void process.stderr.write(`${what}\n`) })
  if (options.json !== undefined) await writeResult(options.json, resultObject(machine, options, result))
  process.stdout.write(`${resultText(machine, options, result)}\n`)
  // A job that did not reach every host measured something else.
  if (result.job.hosts.ready < options.hosts) process.exitCode = 1
}

try {
  await prewarmCommand(run).parseAsync()
} catch (error) {
  process.stderr.write(`bench:prewarm: ${errorText(error)}\n`)
  process.exitCode = 1
}

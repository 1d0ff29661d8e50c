import { errorText } from '../../src/base/errors.ts'
import { interruption } from '../support/interruption.ts'
import { describeMachine } from '../support/machine.ts'
import { writeResult } from '../support/result-file.ts'
import { runBench } from './bench.ts'
import type { FleetBenchOptions } from './options.ts'
import { benchCommand } from './options.ts'
import { resultObject, resultText } from './report.ts'
import type { SeriesResult } from './result.ts'

const signal = interruption()

async function run(options: FleetBenchOptions): Promise<void> {
  const machine = describeMachine()
  let results: readonly SeriesResult[] = []
  await runBench(options, signal, {
    say: (what) => void process.stderr.write(`${what}\n`),
    async done(all) {
      results = [...all]
      if (options.json !== undefined) await writeResult(options.json, resultObject(machine, options, results))
    },
  })
  process.stdout.write(`${resultText(machine, results)}\n`)
  // A run that the machine limited is no result.
  if (results.some(({ valid }) => !valid)) process.exitCode = 1
}

try {
  await benchCommand(run).parseAsync()
} catch (error) {
  process.stderr.write(`bench:fleet: ${errorText(error)}\n`)
  process.exitCode = 1
}

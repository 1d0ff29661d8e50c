import { errorText } from '../../src/base/errors.ts'
import { interruption } from '../support/interruption.ts'
import { describeMachine } from '../support/machine.ts'
import { writeResult } from '../support/result-file.ts'
import type { Failure } from './bench.ts'
import { runBench } from './bench.ts'
import { CONGESTION_CONTROL } from './congestion.ts'
import type { FleetBenchOptions } from './options.ts'
import { benchCommand } from './options.ts'
import { resultObject, resultText } from './report.ts'
import type { SeriesResult } from './result.ts'

const signal = interruption()

async function run(options: FleetBenchOptions): Promise<void> {
  // what the namespaces' connections use is not what the machine's own would
  const machine = { ...describeMachine(), congestionControl: CONGESTION_CONTROL }
  let results: readonly SeriesResult[] = []
  let failures: readonly Failure[] = []
  try {
    await runBench(options, signal, {
      say: (what) => void process.stderr.write(`${what}\n`),
      async done(allResults, allFailures) {
        results = [...allResults]
        failures = [...allFailures]
        if (options.json !== undefined) {
          await writeResult(options.json, resultObject(machine, options, results, failures))
        }
      },
    })
  } finally {
    if (results.length > 0) process.stdout.write(`${resultText(machine, results)}\n`)
  }
  // A run that the machine limited is no result.
  if (failures.length > 0 || results.some(({ valid }) => !valid)) process.exitCode = 1
}

try {
  await benchCommand(run).parseAsync()
} catch (error) {
  process.stderr.write(`bench:fleet: ${errorText(error)}\n`)
  process.exitCode = 1
}

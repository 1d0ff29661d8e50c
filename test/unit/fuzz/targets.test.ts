import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { TARGETS } from '../../fuzz/names.ts'
import { replayCommand } from '../../fuzz/options.ts'
import { fuzz } from '../../fuzz/run.ts'
import { TARGET_TABLE } from '../../fuzz/targets/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

/** A share of what `npm run fuzz` does; the same inputs every time. */
const RUNS = 150
/** Of those that wait for a disk. */
const DISK_RUNS = 20

describe('bytes from outside are taken or refused:', { concurrency: 1 }, () => {
  for (const name of TARGETS) {
    const { what, isTimed } = TARGET_TABLE[name]
    it(what, async (t) => {
      const scratch = await tempDir(t)
      const { inputs, taken, fault } = await fuzz(name, {
        runs: isTimed === false ? DISK_RUNS : RUNS,
        seed: 1,
        scratch,
      })
      if (fault !== undefined) assert.fail(`${inspect(fault)}\n${replayCommand(name, fault)}`)
      // else it would be the generator that is at its end, and no parser
      assert.ok(taken > 0 && taken < inputs, `${taken} of ${inputs} were taken`)
    })
  }
})

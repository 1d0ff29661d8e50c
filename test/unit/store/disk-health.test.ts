import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { silentLogger } from '../../../src/base/log.ts'
import { DiskHealth } from '../../../src/store/disk-health.ts'
import { ManualClock } from '../../support/manual-clock.ts'

/** A small blob's time, and the second look after it. */
const PUT_MS = 3_000
const LOOK_MS = 200

/** A disk whose calls return when the test says. */
class HandDisk {
  readonly clock = new ManualClock()
  readonly health: DiskHealth

  constructor() {
    const never = new Promise<never>(() => {})
    const { clock } = this
    const deps = { clock, logger: silentLogger, path: '/disk', probe: () => never, recovered: () => never }
    this.health = new DiskHealth(deps, 16)
  }

  put(): { readonly ends: PromiseWithResolvers<void>; readonly outcome: Promise<string> } {
    const ends = Promise.withResolvers<void>()
    const outcome = this.health
      .run('put', () => ends.promise)
      .then(
        () => 'stored',
        () => 'given up',
      )
    return { ends, outcome }
  }

  /** Its time passes, and the second look. */
  async wait(): Promise<void> {
    await setImmediate()
    this.clock.advance(PUT_MS)
    await setImmediate()
    this.clock.advance(LOOK_MS)
    await setImmediate()
  }
}

describe('the health of a disk', () => {
  it('is stalled when nothing returns', async () => {
    const disk = new HandDisk()
    const { outcome } = disk.put()
    await disk.wait()
    assert.deepEqual([await outcome, disk.health.state], ['given up', 'stalled'])
  })

  it('is well while others of the calls that it is late with return: it is busy', async () => {
    const disk = new HandDisk()
    const [late, other] = [disk.put(), disk.put()]
    other.ends.resolve()
    await disk.wait()
    assert.deepEqual([await other.outcome, disk.health.state], ['stored', 'ok'])
    late.ends.resolve()
    assert.equal(await late.outcome, 'stored')
  })

  it('is stalled when reads return and writes do not', async () => {
    const disk = new HandDisk()
    const { outcome } = disk.put()
    await disk.health.run('read', async () => 'bytes')
    await disk.health.run('row', async () => 'a row')
    await disk.wait()
    assert.deepEqual([await outcome, disk.health.state], ['given up', 'stalled'])
  })

  it('is stalled in the end when one call never returns, whatever the others do', async () => {
    const disk = new HandDisk()
    const { outcome } = disk.put()
    for (let looks = 0; looks < 3; looks++) {
      assert.equal(disk.health.state, 'ok')
      await disk.health.run('write', async () => {})
      await disk.wait()
    }
    assert.deepEqual([await outcome, disk.health.state], ['given up', 'stalled'])
  })
})

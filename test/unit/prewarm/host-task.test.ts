import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { silentLogger } from '../../../src/base/log.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { PieceLayout } from '../../../src/piece/piece-layout.ts'
import type { HostTaskDeps } from '../../../src/prewarm/host-task.ts'
import { HostTask } from '../../../src/prewarm/host-task.ts'
import type { Task } from '../../../src/prewarm/letters.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { planOf } from './fixtures.ts'

const TASK: Task = {
  ...{ job: 'job-00001', revision: 1, state: 'running', plan: planOf(2), resolvedEpochMs: 1 },
  ...{ rateBytesPerSec: 0, pinUntilEpochMs: null, load: null },
}
const MOVED_NOTHING = { peer: 0, home: 0, parent: 0, origin: 0 }

/** A host with an empty store, whose first blob is under way for ever and whose second nobody may have. */
class Host {
  readonly clock = new ManualClock()
  readonly limits: (number | undefined)[] = []
  readonly task: HostTask

  constructor() {
    const [moving] = TASK.plan.blobs
    const layout = new PieceLayout(moving!.digest, moving!.size)
    const hold = (): Disposable => ({ [Symbol.dispose]() {} })
    const transfer = { digest: moving!.digest, layout, partial: { have: { count: 1 } }, hold, signal: never() }
    const open = async ({ digest }: { digest: Digest }) =>
      digest === moving!.digest
        ? { kind: 'transfer', transfer, from: 'peer' }
        : { kind: 'refused', reason: 'denied', message: 'nobody may have it' }
    const limit = (_transfer: unknown, pieces: number | undefined): void => void this.limits.push(pieces)
    const deps = {
      ...{ clock: this.clock, logger: silentLogger, store: { list: () => [], size: () => undefined } },
      ...{ transfers: { open, limit }, images: { manifest: async () => {}, rememberTag: async () => {} } },
      ...{ pins: { unpinJob: async () => {} }, freeBytes: async () => 2 ** 40, hostRate: () => 0 },
    }
    // only what a host needs that goes no further than this
    this.task = new HostTask(
      TASK,
      { state: 'waiting', reason: null, moved: MOVED_NOTHING },
      deps as unknown as HostTaskDeps,
    )
  }

  /** Lets time pass until the work is over. */
  async finish(work: Promise<void>): Promise<void> {
    let over = false
    const end = (): void => {
      over = true
    }
    work.then(end, end)
    for (let turns = 0; !over && turns < 1_000; turns++) {
      await turn()
      this.clock.advance(100)
    }
    await work
  }
}

function never(): AbortSignal {
  return new AbortController().signal
}

describe("a job's work on a host", () => {
  it('that fails for one blob stops the others: nothing goes on in the background', async () => {
    const host = new Host()
    await host.finish(host.task.run(never()))
    const { state, reason } = host.task.progress
    assert.deepEqual([state, reason, host.limits.at(-1)], ['failed', 'nobody may have it', 0])
  })

  it('that is paused stops what is under way, and says how far it is', async () => {
    const host = new Host()
    const abort = new AbortController()
    const working = host.task.run(abort.signal)
    for (let turns = 0; host.limits.length < 3; turns++) {
      assert.ok(turns < 1_000)
      await turn()
      host.clock.advance(100)
    }
    abort.abort(new DOMException('the job is paused', 'AbortError'))
    await assert.rejects(host.finish(working), /the job is paused/)
    const { digest, size } = TASK.plan.blobs[0]!
    assert.equal(host.limits.at(-1), 0)
    assert.equal(host.task.report().haveBytes, new PieceLayout(digest, size).pieceSize)
  })
})

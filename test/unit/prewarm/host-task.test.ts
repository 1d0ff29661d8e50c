import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ShoalError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/log.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { PieceLayout } from '../../../src/piece/piece-layout.ts'
import { HostBudget } from '../../../src/prewarm/host-budget.ts'
import type { HostTaskDeps } from '../../../src/prewarm/host-task.ts'
import { HostTask } from '../../../src/prewarm/host-task.ts'
import type { Task } from '../../../src/prewarm/messages.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { planOf } from './fixtures.ts'

const TASK: Task = {
  job: 'job-00001',
  revision: 1,
  state: 'running',
  plan: planOf(2),
  resolvedEpochMs: 1,
  rateBytesPerSec: 0,
  priority: 0,
  pinUntilEpochMs: null,
  load: null,
}
const MOVED_NOTHING = { peer: 0, home: 0, parent: 0, origin: 0 }

/** A host with an empty store, whose first blob is under way for ever and whose second nobody may have. */
class Host {
  readonly clock = new ManualClock()
  readonly limits: (number | undefined)[] = []
  readonly task: HostTask
  /** What is said to who wants the second blob; undefined when it is here already. */
  refusal: 'denied' | 'disk full' | undefined = 'denied'

  constructor() {
    const [moving] = TASK.plan.blobs
    const layout = new PieceLayout(moving!.digest, moving!.size)
    const hold = (): Disposable => ({ [Symbol.dispose]() {} })
    const transfer = { digest: moving!.digest, layout, partial: { have: { count: 1 } }, hold, signal: never() }
    const open = async ({ digest }: { digest: Digest }) => {
      if (digest === moving!.digest) return { kind: 'transfer', transfer, from: 'peer' }
      if (this.refusal === 'disk full') throw new ShoalError('STORE_DISK_FULL', 'no room')
      if (this.refusal === undefined) return { kind: 'stored', digest, from: 'local' }
      return { kind: 'refused', reason: 'denied', message: 'nobody may have it' }
    }
    const limit = (_transfer: unknown, pieces: number | undefined): void => void this.limits.push(pieces)
    const isKept = (digest: Digest): boolean => this.refusal === undefined && digest !== moving!.digest
    const store = { list: () => [], size: () => undefined, isKept }
    const deps = {
      clock: this.clock,
      logger: silentLogger,
      store,
      transfers: { open, limit },
      images: { manifest: async () => {}, rememberTag: async () => {} },
      pins: { unpinJob: async () => {} },
      freeBytes: async () => 2 ** 40,
      budget: new HostBudget({ clock: this.clock, transfers: { limit }, hostRate: () => 0 }),
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
    await this.until(() => over)
    await work
  }

  /** Lets time pass, ten minutes at most. */
  async until(fits: () => boolean): Promise<void> {
    for (let turns = 0; !fits() && turns < 6_000; turns++) {
      await turn()
      this.clock.advance(100)
    }
    assert.ok(fits())
  }
}

function never(): AbortSignal {
  return new AbortController().signal
}

describe("a job's work on a host", () => {
  it('that fails for one blob stops the others, and says which one it was', async () => {
    const host = new Host()
    await host.finish(host.task.run(never()))
    const { state, reason } = host.task.progress
    const [{ reference } = assert.fail()] = TASK.plan.images
    const why = `${reference}: ${TASK.plan.blobs[1]!.digest}: nobody may have it`
    assert.deepEqual([state, reason, host.limits.at(-1)], ['failed', why, 0], 'and nothing goes on in the background')
  })

  it('that finds the disk full waits for room and says so, and goes on when there is some', async () => {
    const host = new Host()
    host.refusal = 'disk full'
    const abort = new AbortController()
    const working = host.task.run(abort.signal)
    await host.until(() => host.task.report().reason !== undefined)
    const { state, reason } = host.task.report()
    assert.deepEqual([state, reason], ['moving', 'its disk is full: waits for room'])
    host.refusal = undefined
    await host.until(() => host.task.report().reason === undefined)
    assert.equal(host.task.report().state, 'moving')
    abort.abort(new DOMException('enough', 'AbortError'))
    await assert.rejects(host.finish(working), /enough/)
  })

  it('whose disk stays full fails after some minutes, not before', async () => {
    const host = new Host()
    host.refusal = 'disk full'
    await host.finish(host.task.run(never()))
    assert.deepEqual([host.task.progress.state, host.task.progress.reason], ['failed', 'its disk filled up'])
    assert.ok(host.clock.now() > 180_000, `given up after ${host.clock.now()} ms`)
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

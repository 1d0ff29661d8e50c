import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Clock } from '../../../src/base/clock.ts'
import type { Outcome, RepositoryRef } from '../../../src/blob/interface.ts'
import { firstKnown, OUTCOME_MS, outcomeInTime } from '../../../src/registry/outcome.ts'

/** A clock whose timers fire when told. */
class HandClock implements Clock {
  readonly timers = new Set<{ ms: number; fn: () => void }>()
  now(): number {
    return 0
  }
  wall(): number {
    return 0
  }
  after(ms: number, fn: () => void): Disposable {
    const timer = { ms, fn }
    this.timers.add(timer)
    return { [Symbol.dispose]: () => this.timers.delete(timer) }
  }
  fire(): void {
    for (const timer of this.timers) timer.fn()
  }
}

const REFS: RepositoryRef[] = ['a', 'b', 'c'].map((upstream) => ({ upstream, repository: 'app' }))
const never = new AbortController().signal

describe('asking upstreams in order', () => {
  it('goes on only after "unknown"', async () => {
    for (const reason of ['denied', 'unauthorized', 'unavailable'] as const) {
      const asked: string[] = []
      const outcome = await firstKnown<string>(REFS, async ({ upstream }) => {
        asked.push(upstream)
        return { ok: false, reason: upstream === 'a' ? 'unknown' : reason, message: upstream }
      })
      assert.deepEqual(asked, ['a', 'b'])
      assert.equal(!outcome.ok && outcome.reason, reason)
    }
  })
  it('is unknown when all say so, and when there is nobody to ask', async () => {
    const unknown = async (): Promise<Outcome<string>> => ({ ok: false, reason: 'unknown', message: '' })
    for (const refs of [REFS, []]) {
      const outcome = await firstKnown(refs, unknown)
      assert.equal(!outcome.ok && outcome.reason, 'unknown')
    }
  })
})

describe('the time limit on outcomes', () => {
  it('answers "unavailable" when it is over, though the work ignores its signal, and discards what comes later', async () => {
    const clock = new HandClock()
    const late = Promise.withResolvers<Outcome<string>>()
    const discarded = Promise.withResolvers<string>()
    const outcome = outcomeInTime(() => late.promise, clock, never, discarded.resolve)
    assert.deepEqual(
      [...clock.timers].map(({ ms }) => ms),
      [OUTCOME_MS],
    )
    clock.fire()
    const settled = await outcome
    assert.equal(!settled.ok && settled.reason, 'unavailable')
    late.resolve({ ok: true, value: 'late' })
    assert.equal(await discarded.promise, 'late')
  })

  it('does not reach into what was opened in time', async () => {
    const clock = new HandClock()
    let seen: AbortSignal | undefined
    await outcomeInTime<number>(
      async (signal) => {
        seen = signal
        return { ok: true, value: 1 }
      },
      clock,
      never,
    )
    assert.equal(clock.timers.size, 0)
    assert.equal(seen?.aborted, false)
  })

  it("rejects with the client's reason when the client leaves first", async () => {
    const client = new AbortController()
    const outcome = outcomeInTime(() => new Promise<Outcome<number>>(() => {}), new HandClock(), client.signal)
    client.abort(new Error('left'))
    await assert.rejects(outcome, /left/)
  })

  it('passes on what the work throws', async () => {
    await assert.rejects(
      outcomeInTime(() => Promise.reject(new Error('defect')), new HandClock(), never),
      /defect/,
    )
  })
})

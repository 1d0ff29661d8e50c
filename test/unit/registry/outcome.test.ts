import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Outcome } from '../../../src/base/outcome.ts'
import { isRefused, refused } from '../../../src/base/outcome.ts'
import { LIVING_ANSWER_MS, MIRROR_ANSWER_MS, SILENT_ANSWER_MS, SLOW_ANSWER_MS } from '../../../src/base/patience.ts'
import type { ClientRef } from '../../../src/blob/interface.ts'
import { firstKnown, outcomeInTime } from '../../../src/registry/outcome.ts'
import { HandClock } from '../../support/hand-clock.ts'

const REFS: ClientRef[] = ['a', 'b', 'c'].map((upstream) => ({ upstream, repository: 'app' }))
const never = new AbortController().signal

/** Fires timers until none is left, and returns how long all that would have taken. */
function runOut(clock: HandClock): number {
  let tookMs = 0
  while (clock.timers.size > 0) tookMs += clock.fire()
  return tookMs
}

describe('asking upstreams in order', () => {
  it('goes on only after "unknown"', async () => {
    for (const reason of ['denied', 'unavailable'] as const) {
      const asked: string[] = []
      const outcome = await firstKnown<string>(REFS, async ({ upstream }) => {
        asked.push(upstream)
        return refused(upstream === 'a' ? 'unknown' : reason, upstream)
      })
      assert.deepEqual(asked, ['a', 'b'])
      assert.equal(isRefused(outcome) && outcome.reason, reason)
    }
  })
  it('is unknown when all say so, and when there is nobody to ask', async () => {
    const unknown = async (): Promise<Outcome<string>> => refused('unknown', '')
    for (const refs of [REFS, []]) {
      const outcome = await firstKnown(refs, unknown)
      assert.equal(isRefused(outcome) && outcome.reason, 'unknown')
    }
  })
})

describe('the time limit on outcomes', () => {
  it('answers "unavailable" when it is over, though the work ignores its signal, and discards what comes later', async () => {
    const clock = new HandClock()
    const late = Promise.withResolvers<Outcome<string>>()
    const discarded = Promise.withResolvers<string>()
    const outcome = outcomeInTime(() => late.promise, clock, never, discarded.resolve)
    assert.equal(runOut(clock), MIRROR_ANSWER_MS)
    const settled = await outcome
    assert.equal(isRefused(settled) && settled.reason, 'unavailable')
    late.resolve('late')
    assert.equal(await discarded.promise, 'late')
  })

  const limits = [
    ['ten seconds at most while nothing is known of the origin that is asked', undefined, MIRROR_ANSWER_MS],
    ['longer while an origin that lives is at work on it', 'lives', LIVING_ANSWER_MS],
    ['longest where its latest answer was slow, and came', 'slow', SLOW_ANSWER_MS],
    ['short where the origin has been silent before', 'silent', SILENT_ANSWER_MS],
  ] as const
  for (const [what, life, limitMs] of limits) {
    it(`is ${what}`, async () => {
      const clock = new HandClock()
      const work = () => new Promise<Outcome<number>>(() => {})
      const outcome = outcomeInTime(work, clock, never, undefined, () => life)
      assert.equal(runOut(clock), limitMs)
      const settled = await outcome
      assert.equal(isRefused(settled) && settled.reason, 'unavailable')
    })
  }

  it('does not reach into what was opened in time', async () => {
    const clock = new HandClock()
    let seen: AbortSignal | undefined
    await outcomeInTime<number>(
      async (signal) => {
        seen = signal
        return 1
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

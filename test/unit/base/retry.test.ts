import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { retry } from '../../../src/base/retry.ts'
import { ManualClock } from '../../support/manual-clock.ts'

async function pass(clock: ManualClock, ms: number): Promise<void> {
  await turn()
  clock.advance(ms)
  await turn()
}

const options = (clock: ManualClock, signal = new AbortController().signal) => ({
  clock,
  waitsMs: [100, 1_000],
  signal,
  isPassing: (error: unknown) => error instanceof Error && error.message === 'passing',
})

test('what fails in passing is tried again after each wait', async () => {
  const clock = new ManualClock()
  const at: number[] = []
  const work = retry(async () => {
    at.push(clock.now())
    if (at.length < 3) throw new Error('passing')
    return 'done'
  }, options(clock))
  const start = clock.now()
  await pass(clock, 100)
  await pass(clock, 1_000)
  assert.equal(await work, 'done')
  assert.deepEqual(
    at.map((ms) => ms - start),
    [0, 100, 1_100],
  )
})

test('the last failure is told, and any that does not pass at once', async () => {
  const clock = new ManualClock()
  let tries = 0
  const lasting = retry(async () => Promise.reject(new Error(`lasting ${++tries}`)), options(clock))
  await assert.rejects(lasting, /lasting 1/)
  const passing = retry(async () => Promise.reject(new Error('passing')), options(clock))
  passing.catch(() => {})
  await pass(clock, 100)
  await pass(clock, 1_000)
  await assert.rejects(passing, /passing/)
})

test('an abort ends the waits with its reason', async () => {
  const clock = new ManualClock()
  const controller = new AbortController()
  const work = retry(async () => Promise.reject(new Error('passing')), options(clock, controller.signal))
  work.catch(() => {})
  await pass(clock, 10)
  controller.abort(new Error('enough'))
  await assert.rejects(work, /enough/)
})

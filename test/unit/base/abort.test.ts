import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { raceAbort, runningLimit, sleep } from '../../../src/base/abort.ts'
import { VirtualClock } from '../../../src/sim/virtual-clock.ts'
import { ManualClock } from '../../support/manual-clock.ts'

describe('sleep', () => {
  it('ends when its time has come, and no sooner', async () => {
    const clock = new VirtualClock()
    let awake = false
    const slept = sleep(clock, 50).then(() => {
      awake = true
    })
    clock.run(() => false, 49)
    await Promise.resolve()
    assert.equal(awake, false)
    clock.run(() => false, 50)
    await slept
  })

  it('ends with the reason of its signal, and leaves no listener behind', async () => {
    const clock = new VirtualClock()
    const abort = new AbortController()
    const slept = sleep(clock, 50, abort.signal)
    const other = sleep(clock, 10, abort.signal)
    clock.run(() => false, 20)
    await other
    assert.equal(getEventListeners(abort.signal, 'abort').length, 1)
    abort.abort(new Error('stop'))
    await assert.rejects(slept, /stop/)
    await assert.rejects(sleep(clock, 50, abort.signal), /stop/)
    assert.equal(getEventListeners(abort.signal, 'abort').length, 0)
  })
})

describe('raceAbort', () => {
  it('settles like its promise, and leaves no listener behind', async () => {
    const { signal } = new AbortController()
    assert.equal(await raceAbort(Promise.resolve(1), signal), 1)
    await assert.rejects(raceAbort(Promise.reject(new Error('no')), signal), /no/)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  it('rejects when the signal is first, even if the promise fails later', async () => {
    const abort = new AbortController()
    const { promise, reject } = Promise.withResolvers<number>()
    const raced = raceAbort(promise, abort.signal)
    abort.abort(new Error('stop'))
    await assert.rejects(raced, /stop/)
    reject(new Error('late'))
    await assert.rejects(raceAbort(Promise.reject(new Error('late')), abort.signal), /stop/)
  })
})

describe('a limit of the time that this process runs', () => {
  const STEP_MS = 250

  it('ends after its time, and not when it is disposed before', () => {
    const clock = new ManualClock()
    using limit = runningLimit(clock, 4 * STEP_MS + 100)
    const other = runningLimit(clock, 4 * STEP_MS + 100)
    for (let step = 0; step < 4; step++) clock.advance(STEP_MS)
    assert.deepEqual([limit.signal.aborted, other.signal.aborted], [false, false])
    other[Symbol.dispose]()
    clock.advance(100)
    assert.deepEqual([limit.signal.aborted, other.signal.aborted], [true, false])
    assert.equal((limit.signal.reason as Error).name, 'TimeoutError')
  })

  it('takes a stop for no more than three steps, however long it was', () => {
    const clock = new ManualClock()
    using limit = runningLimit(clock, 5 * STEP_MS)
    clock.advance(3_600_000)
    clock.advance(STEP_MS)
    assert.equal(limit.signal.aborted, false)
    clock.advance(STEP_MS)
    assert.equal(limit.signal.aborted, true)
  })
})

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { raceAbort, sleep } from '../../../src/base/abort.ts'
import { VirtualClock } from '../../../src/sim/virtual-clock.ts'

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

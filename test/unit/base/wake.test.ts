import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Wake } from '../../../src/base/wake.ts'
import { HandClock } from '../../support/hand-clock.ts'

describe('a wake', () => {
  const never = new AbortController().signal

  it('ends a wait when it is called, and leaves no timer', async () => {
    const clock = new HandClock()
    const wake = new Wake()
    const waiting = wake.wait(clock, 1_000, never)
    wake.call()
    await waiting
    assert.equal(clock.timers.size, 0)
  })

  it('that was called before a wait ends that one alone', async () => {
    const clock = new HandClock()
    const wake = new Wake()
    wake.call()
    await wake.wait(clock, 1_000, never)
    const second = wake.wait(clock, 1_000, never)
    assert.equal(clock.fire(), 1_000)
    await second
  })

  it('gives up with the reason of the signal', async () => {
    const stop = new AbortController()
    const waiting = new Wake().wait(new HandClock(), 1_000, stop.signal)
    stop.abort(new Error('stopped'))
    await assert.rejects(waiting, /stopped/)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SingleFlight } from '../../../src/base/single-flight.ts'

const forever = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
const never = new AbortController().signal

describe('a single flight', () => {
  it('runs one job for all who ask meanwhile, and another one after it', async () => {
    const flights = new SingleFlight<number>()
    let runs = 0
    const work = async (): Promise<number> => ++runs
    assert.deepEqual(await Promise.all([flights.run('a', work, never), flights.run('a', work, never)]), [1, 1])
    assert.equal(await flights.run('a', work, never), 2)
  })

  it('keeps keys apart', async () => {
    const flights = new SingleFlight<string>()
    const both = ['a', 'b'].map((key) => flights.run(key, async () => key, never))
    assert.deepEqual(await Promise.all(both), ['a', 'b'])
  })

  it('tells everyone of a failure, and tries again for the next', async () => {
    const flights = new SingleFlight<number>()
    const fails = async (): Promise<number> => {
      throw new Error('no')
    }
    const both = await Promise.allSettled([flights.run('a', fails, never), flights.run('a', fails, never)])
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.equal(await flights.run('a', async () => 1, never), 1)
  })

  it('goes on for the others when one leaves, who learns why', async () => {
    const flights = new SingleFlight<number>()
    const { promise, resolve } = Promise.withResolvers<number>()
    const leaver = new AbortController()
    let aborted = false
    const work = (signal: AbortSignal): Promise<number> => {
      signal.addEventListener('abort', () => {
        aborted = true
      })
      return promise
    }
    const left = flights.run('a', work, leaver.signal)
    const stayed = flights.run('a', work, never)
    leaver.abort(new Error('gone'))
    await assert.rejects(left, /gone/)
    assert.equal(aborted, false)
    resolve(7)
    assert.equal(await stayed, 7)
    assert.equal(aborted, false)
  })

  it('aborts the job when the last one leaves, and starts anew for who comes then', async () => {
    const flights = new SingleFlight<number>()
    const leaver = new AbortController()
    const signals: AbortSignal[] = []
    const work = (signal: AbortSignal): Promise<never> => {
      signals.push(signal)
      return forever(signal)
    }
    const left = flights.run('a', work, leaver.signal)
    leaver.abort(new Error('gone'))
    await assert.rejects(left, /gone/)
    assert.equal(signals[0]?.aborted, true)
    assert.equal(await flights.run('a', async () => 1, never), 1)
  })

  it('starts nothing for who has left already', async () => {
    const flights = new SingleFlight<number>()
    let runs = 0
    await assert.rejects(
      flights.run('a', async () => ++runs, AbortSignal.abort(new Error('gone'))),
      /gone/,
    )
    assert.equal(runs, 0)
  })
})

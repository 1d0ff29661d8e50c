import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RateLimiter } from '../../../src/base/rate-limiter.ts'
import { VirtualClock } from '../../../src/sim/virtual-clock.ts'

/** Runs virtual time on, letting promises settle in between. */
async function pass(clock: VirtualClock, ms: number): Promise<void> {
  const until = clock.now() + ms
  for (let i = 0; i < 200; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    const before = clock.now()
    if (!clock.run(() => clock.now() > before, until)) return
  }
}

describe('a rate limiter', () => {
  it('lets everything pass at rate 0', async () => {
    const limiter = new RateLimiter(new VirtualClock(), 0)
    await limiter.take(1e12)
    await limiter.take(1e12)
  })

  it('holds its rate in the long run, first come first served, whatever the sizes', async () => {
    const clock = new VirtualClock()
    const limiter = new RateLimiter(clock, 1000)
    const passed: [number, number][] = []
    for (const bytes of [500, 100, 2000, 1, 400]) {
      void limiter.take(bytes).then(() => passed.push([bytes, clock.now()]))
    }
    await pass(clock, 10_000)
    assert.deepEqual(
      passed.map(([bytes]) => bytes),
      [500, 100, 2000, 1, 400],
    )
    // each waits until what went before it is paid, less the burst of 100 bytes
    assert.deepEqual(
      passed.map(([, at]) => Math.round(at)),
      [0, 400, 500, 2500, 2501],
    )
  })

  it('lets who leaves go at once, at no cost to the others', async () => {
    const clock = new VirtualClock()
    const limiter = new RateLimiter(clock, 1000)
    const times: number[] = []
    const abort = new AbortController()
    await limiter.take(1100)
    void limiter.take(10).then(() => times.push(clock.now()))
    const left = limiter.take(5000, abort.signal)
    void limiter.take(10).then(() => times.push(clock.now()))
    abort.abort(new Error('gone'))
    await assert.rejects(left, /gone/)
    assert.equal(clock.now(), 0)
    await pass(clock, 5000)
    assert.deepEqual(
      times.map((at) => Math.round(at)),
      [1000, 1010],
    )
  })

  it('takes a new rate for those who come then', async () => {
    const clock = new VirtualClock()
    const limiter = new RateLimiter(clock, 1000)
    limiter.setRate(100)
    assert.equal(limiter.bytesPerSec, 100)
    await limiter.take(110)
    let at = 0
    void limiter.take(1).then(() => {
      at = clock.now()
    })
    await pass(clock, 5000)
    assert.equal(Math.round(at), 1000)
    limiter.setRate(0)
    await limiter.take(1e12)
  })
})

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Pace } from '../../fuzz/pace.ts'

async function usualPace(): Promise<Pace> {
  const pace = new Pace()
  for (let i = 0; i < 501; i++) await pace.slow({ bytes: 100, taken: true, ms: 1 }, async () => 1)
  return pace
}

it('an input is slow that takes ten times the usual of its size however often it is read', async () => {
  const pace = await usualPace()
  assert.match((await pace.slow({ bytes: 90, taken: true, ms: 30 }, async () => 25)) ?? '', /^25\.0 ms for 90 bytes/)
  assert.equal(await pace.slow({ bytes: 90, taken: true, ms: 9 }, async () => 9), undefined)
})

it('an input is not slow that the machine has kept waiting once', async () => {
  const pace = await usualPace()
  const again = [30, 30, 2]
  assert.equal(await pace.slow({ bytes: 90, taken: true, ms: 30 }, async () => again.shift() ?? 30), undefined)
})

it('nothing is slow of a kind that has hardly been seen', async () => {
  const pace = await usualPace()
  assert.equal(await pace.slow({ bytes: 60_000, taken: true, ms: 500 }, async () => 500), undefined)
  assert.equal(await pace.slow({ bytes: 100, taken: false, ms: 500 }, async () => 500), undefined)
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { GrowthRates } from '../../../src/node/page/growth-rates.ts'
import { JobWatch } from '../../../src/node/page/job-watch.ts'
import { PICTURE_CELLS, pictureOf } from '../../../src/node/page/picture.ts'
import type { PlacedHost } from '../../../src/node/page/zones.ts'
import { zonesOf } from '../../../src/node/page/zones.ts'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import { eventually } from '../../support/eventually.ts'
import { ManualClock } from '../../support/manual-clock.ts'

describe('the picture of a transfer', () => {
  const fieldOf = (length: number, pieces: readonly number[]): Bitfield => {
    const field = new Bitfield(length)
    for (const piece of pieces) field.set(piece)
    return field
  }

  it('has a digit for each piece of a blob with few', () => {
    assert.equal(pictureOf(fieldOf(6, [0, 1, 4])), '990090')
    assert.equal(pictureOf(fieldOf(1, [])), '0')
  })

  it('shows as whole only what is whole, and as nothing only what is nothing', () => {
    const sets = fc.integer({ min: 1, max: 3000 }).chain((length) => {
      return fc.tuple(fc.constant(length), fc.uniqueArray(fc.nat(length - 1)))
    })
    fc.assert(
      fc.property(sets, ([length, pieces]) => {
        const picture = pictureOf(fieldOf(length, pieces))
        assert.equal(picture.length, Math.min(PICTURE_CELLS, length))
        assert.equal(/^9+$/.test(picture), pieces.length === length)
        assert.equal(/^0+$/.test(picture), pieces.length === 0)
      }),
    )
  })
})

describe('rates of growth', () => {
  it('are those of the last seconds, and unknown at first', () => {
    const rates = new GrowthRates()
    rates.note([['a', 0]], 0)
    assert.equal(rates.of('a'), undefined)
    for (let second = 1; second <= 10; second++) rates.note([['a', second * 100]], second * 1000)
    assert.equal(rates.of('a'), 100)
    for (let second = 11; second <= 20; second++) rates.note([['a', 1000]], second * 1000)
    assert.equal(rates.of('a'), 0)
  })

  it('begin anew for what was away, went back, or was not looked at for long', () => {
    const rates = new GrowthRates()
    rates.note([['gone', 0]], 0)
    rates.note([['gone', 10]], 1_000)
    assert.equal(rates.of('gone'), 10)
    rates.note([['back', 5]], 2_000)
    assert.equal(rates.of('gone'), undefined)
    rates.note([['back', 3]], 3_000)
    assert.equal(rates.of('back'), undefined)
    rates.note([['back', 3_000_000]], 60_000)
    assert.equal(rates.of('back'), undefined)
  })
})

describe('hosts by zone', () => {
  const host = (key: string, zone: string | null, sentPerSec: number): PlacedHost => {
    const moved = { sentPerSec, receivedPerSec: 0, sentBytes: 0, receivedBytes: 0 }
    return { key, address: `${key}:7071`, role: 'agent', region: 'eu-1', zone, ...moved }
  }

  it('come with the slowest at work first and idle ones last, the largest zone before the others', () => {
    const zones = zonesOf([host('x', null, 5), host('fast', 'a', 90), host('idle', 'a', 0), host('slow', 'a', 10)])
    assert.deepEqual(
      zones.map(({ zone, hosts, sentPerSec }) => [zone, hosts, sentPerSec]),
      [
        ['a', 3, 100],
        [null, 1, 5],
      ],
    )
    assert.deepEqual(
      zones[0]?.slowest.map(({ key }) => key),
      ['slow', 'fast', 'idle'],
    )
  })

  it('are only counted beyond the first twenty', () => {
    const [zone] = zonesOf(Array.from({ length: 5000 }, (_, index) => host(`h${index}`, 'a', index + 1)))
    assert.deepEqual([zone?.hosts, zone?.slowest.length, zone?.slowest[0]?.key], [5000, 20, 'h0'])
  })
})

describe('the jobs that a page shows', () => {
  it('are asked for beside it, by one question at a time, and the last answer stays when nobody answers', async () => {
    const clock = new ManualClock()
    const answers: PromiseWithResolvers<[]>[] = []
    const watch = new JobWatch(clock, {
      list: () => {
        const answer = Promise.withResolvers<[]>()
        answers.push(answer)
        return answer.promise
      },
      hosts: async () => [],
    })
    assert.equal(watch.look().problem, 'the caches are being asked')
    clock.advance(60_000)
    watch.look()
    assert.equal(answers.length, 1)
    answers[0]?.resolve([])
    await eventually('the answer is known', async () => watch.look().problem === null)
    watch.look()
    assert.equal(answers.length, 1)
    clock.advance(2_000)
    watch.look()
    assert.equal(answers.length, 2)
    answers[1]?.reject(new Error('no cache answers'))
    await eventually('the failure is known', async () => watch.look().problem === 'no cache answers')
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { ArrivingRange } from '../../../src/transfer/arriving-range.ts'
import { PiecesBehind } from '../../../src/transfer/pieces-behind.ts'
import { RangeStreams } from '../../../src/transfer/range-streams.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { SilentLink } from './fixture.ts'

const BYTES = Uint8Array.from({ length: 100 }, (_, i) => i)

test('a range has what has come without a gap, from whoever brought it first, and no byte beyond its end', async () => {
  const range = new ArrivingRange({ start: 1000, end: 1100 })
  assert.equal(range.put(1010, BYTES.subarray(10, 20)), 0, 'there is a gap before it')
  const more = range.more()
  assert.equal(range.put(1000, BYTES.subarray(0, 30)), 30)
  await more
  assert.equal(range.next, 1030)
  assert.equal(range.put(1010, new Uint8Array(10).fill(255)), 0, 'it is here')
  assert.equal(range.put(1020, BYTES.subarray(20, 50)), 20)
  assert.deepEqual([...range.from(1005, 1010)], [5, 6, 7, 8, 9])
  assert.deepEqual([...range.from(1045)], [45, 46, 47, 48, 49])
  assert.equal(range.from(1050).length, 0)
  assert.equal(range.from(1060, 1070).length, 0)
  assert.equal(range.isWhole, false)
  assert.equal(range.put(1050, new Uint8Array([...BYTES.subarray(50), 255, 255])), 50)
  assert.equal(range.isWhole, true)
  await range.more()
  assert.equal(range.put(1100, BYTES), 0)
  assert.deepEqual([...range.from(1000)], [...BYTES])
  assert.equal(range.from(1000), range.from(1000), 'one and the same, for whoever keeps it for many')
})

test('bytes of a stream are taken from the peer that was asked, as long as it is asked', () => {
  const streams = new RangeStreams()
  const [asked, other] = [new SilentLink('asked'), new SilentLink('other')]
  const taken: Uint8Array[] = []
  const stream = streams.open(asked, (bytes) => taken.push(bytes))
  const next = streams.open(other, () => assert.fail('nothing is sent under this'))
  assert.notEqual(stream.id, next.id)
  streams.came(other, stream.id, BYTES)
  streams.came(asked, stream.id + 100, BYTES)
  assert.deepEqual(taken, [])
  streams.came(asked, stream.id, BYTES)
  stream[Symbol.dispose]()
  streams.came(asked, stream.id, BYTES)
  assert.deepEqual(taken, [BYTES])
})

test('the pieces of ranges follow once nobody reads ranges, but for blobs that have been purged meanwhile', async () => {
  const clock = new ManualClock()
  const opened: string[] = []
  const opening = {
    open: async ({ digest }: { readonly digest: string }) => {
      opened.push(digest)
      return { kind: 'refused', reason: 'unavailable', message: 'a test' } as const
    },
  }
  await using behind = new PiecesBehind({ clock, logger: silentLogger, opening })
  const [kept, purged] = [digestOf(BYTES), digestOf(BYTES.subarray(1))]
  for (const digest of [kept, purged]) {
    behind.note({ upstream: 'up', repository: 'app', digest, size: 10_000_000, awaits: { first: 1, count: 1 } })
  }
  behind.forget(purged)
  assert.deepEqual(opened, [])
  clock.advance(500)
  await Promise.resolve()
  assert.deepEqual(opened, [kept])
})

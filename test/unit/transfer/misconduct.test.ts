import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryPartial } from '../../../src/store/index.ts'
import { Misconduct } from '../../../src/transfer/misconduct.ts'
import type { Transfer } from '../../../src/transfer/transfer.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { PIECE, testBlob } from '../store/store-fixture.ts'
import { SilentLink, transferOf } from './fixture.ts'

const MINUTE_MS = 60_000

function setUp(): { misconduct: Misconduct; clock: ManualClock; banned: string[]; blob: (seed: number) => Transfer } {
  const clock = new ManualClock()
  const banned: string[] = []
  const misconduct = new Misconduct({ clock, ban: (peer) => void banned.push(peer) })
  const blob = (seed: number): Transfer => transferOf(new MemoryPartial(testBlob(2 * PIECE, seed).layout))
  return { misconduct, clock, banned, blob }
}

/** The peer sends wrong bytes of a blob, which is then proven. */
function convict({ misconduct }: Pick<ReturnType<typeof setUp>, 'misconduct'>, transfer: Transfer, link: SilentLink) {
  misconduct.caught(transfer, link)
  misconduct.proven(transfer)
}

test('wrong bytes of three blobs that are proven afterwards ban a peer, of two do not', () => {
  const set = setUp()
  const liar = new SilentLink('liar')
  for (const seed of [1, 2]) convict(set, set.blob(seed), liar)
  assert.deepEqual(set.banned, [])
  convict(set, set.blob(3), liar)
  assert.deepEqual(set.banned, ['liar'])
})

test('many wrong pieces of one blob are one blob', () => {
  const set = setUp()
  const transfer = set.blob(1)
  for (let i = 0; i < 5; i++) convict(set, transfer, new SilentLink('peer'))
  assert.deepEqual(set.banned, [])
})

test('what is ten minutes old is forgotten', () => {
  const set = setUp()
  const peer = new SilentLink('peer')
  for (const seed of [1, 2]) convict(set, set.blob(seed), peer)
  set.clock.advance(11 * MINUTE_MS)
  convict(set, set.blob(3), peer)
  assert.deepEqual(set.banned, [])
})

test('a blob that starts over convicts nobody, before and after', async () => {
  const set = setUp()
  const peer = new SilentLink('peer')
  for (const seed of [1, 2, 3]) {
    const transfer = set.blob(seed)
    set.misconduct.caught(transfer, peer)
    await transfer.startOver()
    convict(set, transfer, peer)
  }
  assert.deepEqual(set.banned, [])
})

test('who leaves the swarm before the proof, as hosts do that were given wrong bytes themselves, is not convicted', () => {
  const set = setUp()
  const peer = new SilentLink('peer')
  for (const seed of [1, 2, 3]) {
    const transfer = set.blob(seed)
    set.misconduct.caught(transfer, peer)
    set.misconduct.left(transfer, peer)
    set.misconduct.proven(transfer)
  }
  assert.deepEqual(set.banned, [])
})

test('a cache is never banned', () => {
  const set = setUp()
  const cache = new SilentLink('cache', null, 'cache')
  for (const seed of [1, 2, 3, 4]) convict(set, set.blob(seed), cache)
  assert.deepEqual(set.banned, [])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerAddress, PeerLink } from '../../../src/swarm/index.ts'
import { HomeDesk } from '../../../src/transfer/home-desk.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { testBlob } from '../store/store-fixture.ts'
import { SilentLink } from './fixture.ts'

const { digest } = testBlob(1000, 1)
const MINUTE_MS = 60_000
const introduced = ({ peer: { key, addresses } }: PeerLink): PeerAddress => ({ key, addresses })

test('who joins is introduced to the others, never to itself', () => {
  const desk = new HomeDesk(new ManualClock(), introduced)
  const [a, b, c] = ['a', 'b', 'c'].map((key) => new SilentLink(key))
  assert.deepEqual(desk.join(digest, a!), { peers: [], members: 1 })
  assert.deepEqual(desk.join(digest, b!), { peers: [{ key: 'a', addresses: ['a:7071'] }], members: 2 })
  const { peers, members } = desk.join(digest, c!)
  assert.deepEqual(peers.map(({ key }) => key).sort(), ['a', 'b'])
  assert.equal(members, 3)
  assert.equal(desk.join(digest, c!).members, 3)
})

test('a large swarm is handed out in parts', () => {
  const desk = new HomeDesk(new ManualClock(), introduced)
  for (let i = 0; i < 100; i++) desk.join(digest, new SilentLink(`host-${i}`))
  const { peers } = desk.join(digest, new SilentLink('newcomer'))
  assert.ok(peers.length >= 4 && peers.length <= 16, `${peers.length} neighbours`)
})

test('members are told hashes until they leave or their link ends', () => {
  const desk = new HomeDesk(new ManualClock(), introduced)
  const [a, b, c] = ['a', 'b', 'c'].map((key) => new SilentLink(key))
  for (const link of [a!, b!, c!]) desk.join(digest, link)
  desk.leave(digest, a!)
  assert.deepEqual(desk.unlinked(b!), [digest])
  desk.tell(digest, 1000, [{ first: 0, hashes: new Uint8Array(32) }])
  desk.tell(digest, 1000, [])
  assert.deepEqual(
    [a!, b!, c!].map(({ sent }) => sent.map(({ type }) => type)),
    [[], [], ['hashes']],
  )
})

test("a member's old link leaving does not take its new one along", () => {
  const desk = new HomeDesk(new ManualClock(), introduced)
  const old = new SilentLink('a')
  const fresh = new SilentLink('a')
  desk.join(digest, old)
  desk.join(digest, fresh)
  desk.unlinked(old)
  assert.deepEqual(desk.members(digest), [fresh])
})

test('dissolving tells every member to start over', () => {
  const desk = new HomeDesk(new ManualClock(), introduced)
  const links = ['a', 'b'].map((key) => new SilentLink(key))
  for (const link of links) desk.join(digest, link)
  desk.dissolve(digest)
  for (const { sent } of links) assert.deepEqual(sent, [{ type: 'leave', blob: digest }])
  assert.deepEqual(desk.members(digest), [])
})

test('an idle swarm is forgotten, one that is being told hashes is not', () => {
  const clock = new ManualClock()
  const desk = new HomeDesk(clock, introduced)
  const busy = testBlob(1000, 2).digest
  desk.join(digest, new SilentLink('a'))
  desk.join(busy, new SilentLink('a'))
  for (let minute = 0; minute < 12; minute++) {
    clock.advance(MINUTE_MS)
    desk.tell(busy, 1000, [{ first: 0, hashes: new Uint8Array(32) }])
    desk.tick()
  }
  assert.deepEqual([desk.members(digest).length, desk.members(busy).length], [0, 1])
})

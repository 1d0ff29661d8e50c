import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryPartial } from '../../../src/store/index.ts'
import type { HashRun } from '../../../src/swarm/index.ts'
import { Active } from '../../../src/transfer/active.ts'
import { HashIntake } from '../../../src/transfer/hash-intake.ts'
import { PIECE, testBlob } from '../store/store-fixture.ts'
import { SilentLink, transferOf } from './fixture.ts'

const PIECES = 512
const TRUE_SIGNATURE = new Uint8Array([1])
/** What a signature is worth, by its first byte. */
const JUDGEMENTS = ['false', 'good', 'unknown'] as const

/** An intake that notes how many signatures it has checked; a signature is true if it says so. */
function intake(): { hashes: HashIntake; active: Active; checked: { count: number }; believed: HashRun[] } {
  const transfer = transferOf(new MemoryPartial(testBlob(PIECES * PIECE, 1).layout))
  const active = new Active(transfer, { entry: 'forClient', shared: true, order: 0 }, 0)
  const checked = { count: 0 }
  const believed: HashRun[] = []
  const hashes = new HashIntake({
    judge: (_active, _link, { signature }) => {
      checked.count++
      return JUDGEMENTS[signature?.[0] ?? 0]!
    },
    isHomeward: ({ peer }) => peer.role === 'cache',
    accept: (_active, _link, run, vouched) => {
      believed.push(run)
      transfer.pieceHashes.addRun(run, vouched ? 'vouched' : 'word')
    },
  })
  return { hashes, active, checked, believed }
}

function runs(count: number, signature: Uint8Array | undefined): HashRun[] {
  return Array.from({ length: count }, (_, i) => ({
    first: i % PIECES,
    hashes: new Uint8Array(32).fill(i >> 3),
    signature,
  }))
}

test('thousands of true signatures are checked over many turns, and a second link waits for one of them', async () => {
  const { hashes, active, checked, believed } = intake()
  const [many, few] = [new SilentLink('many'), new SilentLink('few')]
  hashes.take(active, many, runs(PIECES, TRUE_SIGNATURE))
  const atOnce = checked.count
  assert.ok(atOnce > 0 && atOnce <= 64, `${atOnce} were checked in the turn of the message`)
  hashes.take(active, few, [{ first: PIECES - 1, hashes: new Uint8Array(32), signature: TRUE_SIGNATURE }])
  assert.equal(checked.count, atOnce, 'the second link is no reason to go on in this turn')
  let turns = 0
  for (; believed.length < PIECES + 1; turns++) {
    const before = checked.count
    await turn()
    assert.ok(checked.count - before <= atOnce)
  }
  assert.ok(turns >= PIECES / atOnce - 1)
  const place = believed.findIndex(({ first, hashes: some }) => first === PIECES - 1 && some[0] === 0)
  assert.ok(place <= 2 * atOnce, `the second link waited behind ${place} of the first`)
  assert.deepEqual([many.breaches, few.breaches], [[], []])
})

test('the first false signature ends the link, and nothing more of it is looked at', async () => {
  const { hashes, active, checked, believed } = intake()
  const liar = new SilentLink('liar')
  hashes.take(active, liar, [...runs(3, TRUE_SIGNATURE), ...runs(4096, new Uint8Array([0]))])
  await turn()
  assert.deepEqual([checked.count, believed.length, liar.breaches.length], [4, 3, 1])
})

test('what a cache signs with a credential that is not known here counts on its own link, and is not passed on', () => {
  const { hashes, active, believed } = intake()
  const cache = new SilentLink('cache', null, 'cache')
  hashes.take(active, cache, runs(4, new Uint8Array([0])))
  assert.deepEqual([believed.length, cache.breaches.length], [4, 0])
  assert.ok(active.transfer.pieceHashes.trusted(0))
  assert.ok(active.transfer.pieceHashes.runs(undefined, undefined).every(({ signature }) => signature === undefined))
})

test('what waits of one link has a bound in bytes', () => {
  const { hashes, active } = intake()
  const flood = new SilentLink('flood')
  for (let message = 0; message < 4 && flood.breaches.length === 0; message++) {
    hashes.take(active, flood, [
      ...runs(64, TRUE_SIGNATURE),
      ...Array.from({ length: 100 }, () => ({
        first: 0,
        hashes: new Uint8Array(32 * 1024),
        signature: TRUE_SIGNATURE,
      })),
    ])
  }
  assert.equal(flood.breaches.length, 1)
})

test('unsigned hashes are believed from the home of the transfer, and from nobody else', () => {
  const { hashes, active, believed } = intake()
  const [home, member] = [new SilentLink('home'), new SilentLink('member')]
  active.joined(home)
  hashes.take(active, member, runs(4, undefined))
  assert.equal(believed.length, 0)
  hashes.take(active, home, runs(4, undefined))
  assert.deepEqual([believed.length, member.breaches.length], [4, 0])
})

test('what cannot be told here is passed over, and ends the link of a member only when there is no end of it', async () => {
  const { hashes, active, believed } = intake()
  const link = new SilentLink('peer')
  const strange = runs(1, new Uint8Array([2]))
  hashes.take(active, link, strange)
  assert.deepEqual([believed.length, link.breaches.length], [0, 0])
  for (let told = 0; told < 40 && link.breaches.length === 0; told++) {
    hashes.take(active, link, runs(4096, new Uint8Array([2])))
    for (let i = 0; i < 4096 / 48 + 1; i++) await turn()
  }
  assert.deepEqual([believed.length, link.breaches.length], [0, 1])
})

test("a home's word without signatures, and what is known already, are looked at over many turns, too", async () => {
  const { hashes, active, believed } = intake()
  const home = new SilentLink('home')
  active.joined(home)
  hashes.take(active, home, runs(PIECES, undefined))
  const atOnce = believed.length
  assert.ok(atOnce > 0 && atOnce <= 64, `${atOnce} in the turn of the message`)
  while (believed.length < PIECES) await turn()
  const known = { first: 0, hashes: new Uint8Array(32 * PIECES), signature: TRUE_SIGNATURE }
  active.transfer.pieceHashes.addRun(known, 'vouched')
  let looked = 0
  await turn()
  active.transfer.pieceHashes.covers = () => ++looked > 0
  hashes.take(
    active,
    new SilentLink('again'),
    Array.from({ length: 400 }, () => known),
  )
  const atFirst = looked
  assert.ok(atFirst > 0 && atFirst <= 64, `${atFirst} in the turn of the message`)
  await turn()
  assert.ok(looked > atFirst && looked <= 2 * atFirst)
})

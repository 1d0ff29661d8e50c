import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { areStates, leadToDigest } from '../../../src/piece/piece-proof.ts'
import type { DiskStore, StoreDamage } from '../../../src/store/index.ts'
import { checkBlob, Scrub } from '../../../src/store/index.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import { clockAt } from '../../support/manual-clock.ts'
import type { TestBlob } from './store-fixture.ts'
import {
  assertBytes,
  contentOf,
  MIB,
  openStore,
  PIECE,
  storeBlob,
  temporaryDirectory,
  testBlob,
  until,
} from './store-fixture.ts'

const DAY_MS = 86_400_000

async function spoil(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Uint8Array.of(255, 0, 255, 0), 0, 4, at)
  await file.close()
}

/** A scrub by a wall clock that the test sets. */
function scrubOf(store: DiskStore, wall: () => number, counted: Map<string, number> = new Map()): Scrub {
  const metrics = {
    ...noMetrics,
    counter: (name: string) => ({ inc: (_: object, by = 1) => counted.set(name, (counted.get(name) ?? 0) + by) }),
  }
  const clock = { ...systemClock, wall }
  return new Scrub({ everyMs: 7 * DAY_MS, lookEveryMs: 5 }, { store, clock, logger: silentLogger, metrics })
}

test('everything stored is compared once in the period, and what is damaged is dropped and told', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blobs = [testBlob(MIB, 1), testBlob(MIB, 2), testBlob(1000, 3)]
  for (const blob of blobs) await storeBlob(store, blob)
  const told: StoreDamage[] = []
  store.onDamage((damage) => told.push(damage))
  await spoil(new StorePaths(directory.path).blob(blobs[1]!.digest), 5 * PIECE)
  let wall = 1_000_000
  const counted = new Map<string, number>()
  await using scrub = scrubOf(store, () => wall, counted)
  scrub.start()
  const row = store.table('scrub', { encode: (value: Buffer) => value, decode: (bytes) => Buffer.from(bytes) })
  await until(async () => (await row.get('state')) !== undefined, 'it has looked')
  assert.equal(told.length, 0, 'what was just written is not looked at')
  wall += 7 * DAY_MS
  await until(() => told.length === 1, 'the damage is found')
  assert.deepEqual(told, [{ digest: blobs[1]!.digest, size: MIB, piece: 5 }])
  await until(() => counted.get('shoal_store_scrubbed_bytes_total') === 2 * MIB + 1000, 'all of it is compared')
})

test('a pass goes on after a restart where it was, and its use of blobs counts for nothing', async () => {
  await using directory = await temporaryDirectory()
  const blobs = [testBlob(1000, 1), testBlob(1000, 2), testBlob(1000, 3)].toSorted((a, b) =>
    a.digest < b.digest ? -1 : 1,
  )
  const counted = new Map<string, number>()
  await using store = await openStore(directory.path, {}, { clock: clockAt(() => 42) })
  for (const blob of blobs) await storeBlob(store, blob)
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value))
  const row = store.table('scrub', {
    encode: json,
    decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as object,
  })
  await row.put('state', { lastPassEpochMs: 1, cursor: blobs[1]!.digest })
  await using scrub = scrubOf(store, () => 5_000, counted)
  scrub.start()
  await until(() => counted.get('shoal_store_scrubbed_bytes_total') === 1000, 'the rest is compared')
  await until(async () => !JSON.stringify(await row.get('state')).includes('cursor'), 'the pass has ended')
  assert.deepEqual(await row.get('state'), { lastPassEpochMs: 5_000 })
  assert.equal(counted.get('shoal_store_scrubbed_bytes_total'), 1000)
})

test('a check finds every damaged piece, and says what is not here', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const [good, bad, absent] = [testBlob(MIB, 1), testBlob(MIB, 2), testBlob(MIB, 3)]
  for (const blob of [good, bad]) await storeBlob(store, blob)
  for (const piece of [0, 7]) await spoil(new StorePaths(directory.path).blob(bad.digest), piece * PIECE)
  const check = (digest: typeof good.digest) => checkBlob(store, digest, async () => {})
  assert.deepEqual(await check(good.digest), { kind: 'good' })
  assert.deepEqual(await check(bad.digest), { kind: 'damaged', pieces: [0, 7] })
  assert.deepEqual(await check(bad.digest), { kind: 'absent' })
  assert.deepEqual(await check(absent.digest), { kind: 'absent' })
})

test('a period that changes while the host runs is the one that counts', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  await storeBlob(store, testBlob(MIB, 1))
  let wall = 1_000_000
  let scrubbed = 0
  const metrics = { ...noMetrics, counter: () => ({ inc: (_: object, by = 1) => (scrubbed += by) }) }
  const options = { everyMs: 0, lookEveryMs: 5 }
  await using scrub = new Scrub(options, {
    store,
    clock: { ...systemClock, wall: () => wall },
    logger: silentLogger,
    metrics,
  })
  scrub.start()
  const row = store.table('scrub', { encode: (value: Buffer) => value, decode: (bytes) => Buffer.from(bytes) })
  assert.equal(await row.get('state'), undefined, 'never means never')
  options.everyMs = DAY_MS
  await until(async () => (await row.get('state')) !== undefined, 'it has looked')
  wall += DAY_MS
  await until(() => scrubbed === MIB, 'it has compared')
})

test('a blob that has the hashes of its pieces, as stores of before do, has the states of its chain after a check', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const [good, bad, other] = [testBlob(MIB, 1), testBlob(MIB, 2), testBlob(MIB, 3, 'sha512')]
  for (const blob of [good, bad, other]) await storeBlob(store, blob)
  const packed = async (blob: TestBlob): Promise<Uint8Array> => (await store.proofs(blob.digest)) ?? new Uint8Array()
  await using before = await store.open(good.digest)
  await spoil(new StorePaths(directory.path).blob(bad.digest), 5 * PIECE)
  for (const blob of [good, bad, other]) await checkBlob(store, blob.digest, async () => {})
  const states = await packed(good)
  assert.ok(areStates(good.layout, states) && leadToDigest(good.layout, states))
  assert.deepEqual([(await packed(bad)).length, (await packed(other)).length], [0, 8 * 32])
  const bytes = new Uint8Array(MIB)
  await before?.readInto(bytes, 0)
  assertBytes(bytes, good.bytes)
  assertBytes(await contentOf(store, good.digest), good.bytes)
  await store.keepStates(good.digest, new Uint8Array(states.length))
  assert.deepEqual(await packed(good), states, 'what does not lead to the digest is not kept')
})

import assert from 'node:assert/strict'
import { open, readFile, stat, truncate } from 'node:fs/promises'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/log.ts'
import { silentLogger } from '../../../src/base/log.ts'
import type { MetricRegistry } from '../../../src/base/metrics.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { areStates, leadToDigest, ProofMaker } from '../../../src/piece/piece-proof.ts'
import type { DiskStore, StoreDamage, StoredBlob } from '../../../src/store/index.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import { proofsKey } from '../../../src/store/rows.ts'
import { StoreIndex } from '../../../src/store/store-index.ts'
import type { TestBlob } from './store-fixture.ts'
import {
  allPieces,
  assertBytes,
  contentOf,
  MIB,
  openStore,
  PIECE,
  pieceOf,
  sha256,
  storeBlob,
  temporaryDirectory,
  testBlob,
  writePieces,
} from './store-fixture.ts'

const corrupt = (error: unknown): boolean => isShoalError(error, 'STORE_CORRUPT')

/** A bad disk turns one bit over. */
async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = new Uint8Array(1)
    await file.read(byte, 0, 1, at)
    byte[0]! ^= 1
    await file.write(byte, 0, 1, at)
  } finally {
    await file.close()
  }
}

/** A store whose errors and damage are counted. */
async function watchedStore(path: string): Promise<{
  readonly store: DiskStore
  readonly errors: () => number
  readonly counted: () => number
  readonly told: StoreDamage[]
}> {
  let [errors, counted] = [0, 0]
  const logger: Logger = { ...silentLogger, error: () => errors++, child: () => logger }
  const metrics: MetricRegistry = {
    ...noMetrics,
    counter: (name) => ({ inc: () => (counted += Number(name === 'shoal_store_corrupt_total')) }),
  }
  const store = await openStore(path, {}, { logger, metrics })
  const told: StoreDamage[] = []
  store.onDamage((damage) => told.push(damage))
  return { store, errors: () => errors, counted: () => counted, told }
}

async function readBlob(store: DiskStore, blob: TestBlob, start: number, end: number): Promise<Uint8Array> {
  await using handle = await opened(store, blob)
  return await readRange(handle, start, end)
}

async function opened(store: DiskStore, blob: TestBlob): Promise<StoredBlob> {
  const handle = await store.open(blob.digest)
  assert.ok(handle !== undefined, 'the blob is gone')
  return handle
}

async function readRange(handle: StoredBlob, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start)
  await handle.readInto(bytes, start)
  return bytes
}

for (const [how, start, end] of [
  ['whole', 0, MIB],
  ['in a range over the damage', 3 * PIECE + 7, 4 * PIECE - 9],
  ['in a range that ends before the damage, in its piece', 3 * PIECE, 3 * PIECE + 10],
] as const) {
  test(`a bit that turned over in a stored blob never leaves it, read ${how}; the other pieces stay`, async () => {
    await using directory = await temporaryDirectory()
    const blob = testBlob(MIB, 1)
    const { store, errors, counted, told } = await watchedStore(directory.path)
    await using _ = store
    await storeBlob(store, blob)
    await flip(new StorePaths(directory.path).blob(blob.digest), 3 * PIECE + 100)
    const other = await readBlob(store, blob, 0, PIECE)
    assertBytes(other, pieceOf(blob, 0))
    // Both are open before either reads: the first to see the damage takes the blob out of the store.
    await using first = await opened(store, blob)
    await using second = await opened(store, blob)
    const both = await Promise.allSettled([readRange(first, start, end), readRange(second, start, end)])
    for (const result of both) assert.ok(result.status === 'rejected' && corrupt(result.reason))
    assert.deepEqual([errors(), counted(), told], [1, 1, [{ digest: blob.digest, size: MIB, piece: 3 }]])
    assert.equal(store.size(blob.digest), undefined)
    assert.equal(await store.open(blob.digest), undefined)
    await using partial = await store.openPartial(blob.layout)
    assert.deepEqual(
      allPieces(blob).filter((piece) => !partial.have.has(piece)),
      [3],
    )
    await writePieces(partial, blob, [3])
    await partial.commit()
    assertBytes(await contentOf(store, blob.digest), blob.bytes)
    assert.equal(store.usage().completeBytes, MIB)
    assert.equal(store.usage().partialBytes, 0)
  })
}

test('what a dropped piece left is resumed after a restart, with all that is damaged found', async () => {
  await using directory = await temporaryDirectory()
  const blob = testBlob(MIB, 2)
  const path = new StorePaths(directory.path).blob(blob.digest)
  {
    await using store = await openStore(directory.path)
    await storeBlob(store, blob)
    for (const piece of [2, 6]) await flip(path, piece * PIECE)
    await assert.rejects(readBlob(store, blob, 2 * PIECE, 3 * PIECE), corrupt)
  }
  await using store = await openStore(directory.path)
  await using partial = await store.openPartial(blob.layout)
  assert.deepEqual([partial.have.count, partial.have.has(2), partial.have.has(6)], [6, false, false])
})

test('a blob of one piece, a sha512 one and a manifest of several are compared with their digest, and go whole', async () => {
  await using directory = await temporaryDirectory()
  const { store, counted } = await watchedStore(directory.path)
  await using _ = store
  const paths = new StorePaths(directory.path)
  const blobs = [testBlob(1000, 3), testBlob(1000, 4, 'sha512'), testBlob(5 * PIECE, 5)]
  for (const [i, blob] of blobs.entries()) {
    await store.putSmall(blob.digest, blob.bytes)
    assertBytes(await store.readSmall(blob.digest, MIB), blob.bytes)
    await flip(paths.blob(blob.digest), 10)
    assert.equal(await store.readSmall(blob.digest, MIB), undefined)
    assert.equal(store.size(blob.digest), undefined)
    await assert.rejects(stat(paths.blob(blob.digest)))
    await store.putSmall(blob.digest, blob.bytes)
    await flip(paths.blob(blob.digest), 10)
    await assert.rejects(readBlob(store, blob, 0, 1), corrupt)
    assert.equal(counted(), 2 * (i + 1))
  }
})

test('a file that was cut under an open handle is damaged, not an error of the store', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(MIB, 6)
  await storeBlob(store, blob)
  await using handle = await store.open(blob.digest)
  await truncate(new StorePaths(directory.path).blob(blob.digest), 5 * PIECE)
  await assert.rejects(async () => handle?.readInto(new Uint8Array(MIB), 0), corrupt)
  await using partial = await store.openPartial(blob.layout)
  assert.equal(partial.have.count, 5)
})

test('a piece of a partial that the disk changed after its check is dropped when it is read, and never committed', async () => {
  await using directory = await temporaryDirectory()
  const { store, errors, counted } = await watchedStore(directory.path)
  await using _ = store
  const blob = testBlob(MIB, 7)
  await using partial = await store.openPartial(blob.layout)
  await writePieces(partial, blob, allPieces(blob))
  const path = new StorePaths(directory.path).partial(blob.digest)
  for (const piece of [1, 4]) await flip(path, piece * PIECE + 5)
  await assert.rejects(partial.readInto(new Uint8Array(10), PIECE), corrupt)
  assert.deepEqual([partial.have.has(1), errors(), counted()], [false, 1, 1])
  await assert.rejects(partial.commit(), (error) => isShoalError(error, 'STORE_FAILED'))
  assert.deepEqual(await partial.recheck(), [4])
  assert.equal(counted(), 2)
  assert.equal(store.usage().partialBytes, 6 * PIECE)
  await writePieces(partial, blob, [1, 4])
  assert.deepEqual(await partial.recheck(), [])
  await partial.commit()
  assertBytes(await contentOf(store, blob.digest), blob.bytes)
})

test('a partial that has become a blob drops it when its own reader meets damage', async () => {
  await using directory = await temporaryDirectory()
  const { store, told } = await watchedStore(directory.path)
  await using _ = store
  const blob = testBlob(MIB, 8)
  await using partial = await store.openPartial(blob.layout)
  await writePieces(partial, blob, allPieces(blob))
  await partial.commit()
  await flip(new StorePaths(directory.path).blob(blob.digest), 0)
  await assert.rejects(partial.readInto(new Uint8Array(PIECE), 0), corrupt)
  assert.deepEqual([store.size(blob.digest), told.length], [undefined, 1])
  await using again = await store.openPartial(blob.layout)
  assert.equal(again.have.count, 7)
})

test('lost proofs are made anew from a blob that its digest proves, and never from one that it does not', async () => {
  await using directory = await temporaryDirectory()
  const paths = new StorePaths(directory.path)
  const [good, bad] = [testBlob(MIB, 9), testBlob(MIB, 10)]
  const hashes = Buffer.concat(allPieces(good).map((piece) => sha256(pieceOf(good, piece))))
  {
    await using store = await openStore(directory.path)
    for (const blob of [good, bad]) await storeBlob(store, blob)
    assert.deepEqual(Buffer.from((await store.proofs(good.digest)) ?? []), hashes)
  }
  {
    await using index = await StoreIndex.open(paths.level, silentLogger)
    await index.write(
      [good, bad].map((blob) => [proofsKey(blob.digest), undefined]),
      { sync: true },
    )
  }
  await flip(paths.blob(bad.digest), 12_345)
  const { store, counted } = await watchedStore(directory.path)
  await using _ = store
  const states = (await store.proofs(good.digest)) ?? new Uint8Array()
  assert.ok(areStates(good.layout, states) && leadToDigest(good.layout, states))
  assert.equal(await store.proofs(bad.digest), undefined)
  assert.deepEqual([store.size(bad.digest), counted()], [undefined, 1])
  assertBytes(await contentOf(store, good.digest), good.bytes)
  await assert.rejects(readFile(paths.blob(bad.digest)))
})

test('small ranges one after another read and compare a piece once', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(3 * MIB, 11)
  await storeBlob(store, blob)
  await using handle = await store.open(blob.digest)
  assert.ok(handle !== undefined)
  const target = new Uint8Array(1000)
  await handle.readInto(target, 5)
  // what was compared is in memory: the disk is not asked for it again
  await flip(new StorePaths(directory.path).blob(blob.digest), 2000)
  await handle.readInto(target, 1500)
  assertBytes(target, blob.bytes.subarray(1500, 2500))
})

test('a blob that was proven by its chain drops a damaged piece alone, and is whole by its links again', async () => {
  await using directory = await temporaryDirectory()
  const blob = testBlob(MIB, 11)
  const maker = new ProofMaker(blob.layout)
  const links = allPieces(blob).map((piece) => maker.take(piece, pieceOf(blob, piece)))
  const { store, told } = await watchedStore(directory.path)
  await using _ = store
  {
    await using partial = await store.openPartial(blob.layout)
    for (const piece of allPieces(blob).reverse()) await partial.write(piece, pieceOf(blob, piece), links[piece]!)
    await partial.commit()
  }
  assert.deepEqual(await store.proofs(blob.digest), maker.packed)
  await flip(new StorePaths(directory.path).blob(blob.digest), 3 * PIECE)
  await assert.rejects(readBlob(store, blob, 0, MIB), corrupt)
  assert.equal(told.length, 1)
  await using again = await store.openPartial(blob.layout)
  assert.deepEqual([again.have.count, again.have.has(3)], [7, false])
  assert.deepEqual(again.hash(4), links[4])
  await assert.rejects(again.write(3, pieceOf(blob, 3), new Uint8Array(48)), { code: 'STORE_FAILED' })
  await again.write(3, pieceOf(blob, 3), sha256(pieceOf(blob, 3)))
  await again.commit()
  // they were of two kinds: made anew
  assert.deepEqual(await store.proofs(blob.digest), maker.packed)
  assertBytes(await contentOf(store, blob.digest), blob.bytes)
})

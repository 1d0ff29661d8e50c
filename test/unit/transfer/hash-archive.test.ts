import assert from 'node:assert/strict'
import { truncate } from 'node:fs/promises'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { isShoalError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { HASH_BYTES } from '../../../src/piece/piece-proof.ts'
import type { BlobStore } from '../../../src/store/index.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import { proofsKey } from '../../../src/store/rows.ts'
import { StoreIndex } from '../../../src/store/store-index.ts'
import type { HashRun } from '../../../src/swarm/index.ts'
import { HashArchive } from '../../../src/transfer/hash-archive.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { allPieces, contentOf, openStore, PIECE, pieceOf, sha256, storeBlob, testBlob } from '../store/store-fixture.ts'
import { linkRun, linksOf } from './fixture.ts'

const blob = testBlob(3 * PIECE + 9, 1)

function runOf(first: number, count: number): HashRun {
  const hashes = Buffer.concat(Array.from({ length: count }, (_, i) => sha256(pieceOf(blob, first + i))))
  return { first, hashes: new Uint8Array(hashes) }
}

test('saved runs come back with their signatures, also from a store opened anew', async (t) => {
  const path = await tempDir(t)
  const saved = [{ ...runOf(0, 4), signature: Uint8Array.of(1, 2) }]
  {
    await using store = await openStore(path)
    await storeBlob(store, blob)
    await new HashArchive(store, systemClock).save(blob.layout, saved)
  }
  await using store = await openStore(path)
  assert.deepEqual(await new HashArchive(store, systemClock).load(blob.layout, undefined), saved)
})

test('the proven hashes of a blob are signed once for all who ask, whatever row is there', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeBlob(store, blob)
  const archive = new HashArchive(store, systemClock)
  await archive.save(blob.layout, [{ first: 0, hashes: new Uint8Array(4 * 32), signature: Uint8Array.of(9) }])
  let signed = 0
  const sign = (): Uint8Array => Uint8Array.of(++signed)
  const expected = [{ ...runOf(0, 4), signature: Uint8Array.of(1) }]
  assert.deepEqual(await archive.load(blob.layout, sign), expected)
  assert.deepEqual(await archive.load(blob.layout, sign), expected)
  assert.equal(signed, 1)
})

test('what was signed of a blob whose index was damaged is not said of it once it is whole again', async (t) => {
  const path = await tempDir(t)
  const { digest } = blob.layout
  {
    await using store = await openStore(path)
    await storeBlob(store, blob)
  }
  {
    await using index = await StoreIndex.open(new StorePaths(path).level, silentLogger)
    const proofs = Uint8Array.from((await index.get(proofsKey(digest))) ?? [])
    proofs[2 * HASH_BYTES]! ^= 1
    await index.write([[proofsKey(digest), proofs]], { sync: true })
  }
  await using store = await openStore(path)
  const archive = new HashArchive(store, systemClock)
  const sign = (): Uint8Array => Uint8Array.of(1)
  const wrong = await archive.load(blob.layout, sign)
  assert.notDeepEqual(wrong, [{ ...runOf(0, 4), signature: sign() }])
  await assert.rejects(contentOf(store, digest), (error) => isShoalError(error, 'STORE_CORRUPT'))
  await storeBlob(store, blob)
  assert.deepEqual(await archive.load(blob.layout, sign), [{ ...runOf(0, 4), signature: sign() }])
})

test('runs that overlap and leave a piece out do not count as all of them', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeBlob(store, blob)
  const archive = new HashArchive(store, systemClock)
  await archive.save(blob.layout, [runOf(0, 3), runOf(1, 2)])
  assert.deepEqual(await archive.load(blob.layout, undefined), [runOf(0, 4)])
})

test('a saved run that says otherwise than what the digest has proven is not passed on', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeBlob(store, blob)
  const archive = new HashArchive(store, systemClock)
  await archive.save(blob.layout, [{ first: 0, hashes: new Uint8Array(4 * 32), signature: Uint8Array.of(1) }])
  assert.deepEqual(await archive.load(blob.layout, undefined), [runOf(0, 4)])
})

test('there are no hashes of a blob that is not here', async (t) => {
  await using store = await openStore(await tempDir(t))
  assert.equal(await new HashArchive(store, systemClock).load(blob.layout, undefined), undefined)
})

test('rows of blobs that are gone are swept, others stay', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeBlob(store, blob)
  const archive = new HashArchive(store, systemClock)
  await archive.save(blob.layout, [runOf(0, 4)])
  await archive.sweep()
  assert.equal(await archive.shareable(blob.layout.digest), true)
  await store.remove(blob.layout.digest)
  await archive.sweep()
  assert.equal(await archive.shareable(blob.layout.digest), false)
})

/** Stores the blob by the links of its pieces. */
async function storeChain(store: BlobStore): Promise<void> {
  await using partial = await store.openPartial(blob.layout)
  const links = linksOf(blob)
  for (const piece of allPieces(blob)) await partial.write(piece, pieceOf(blob, piece), links(piece)!)
  await partial.commit()
}

test('of a blob that was proven by its chain, hosts are told its states, and those of before its hashes, made once', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeChain(store)
  const archive = new HashArchive(store, systemClock)
  const states = linkRun(linksOf(blob), 0, 4)
  assert.deepEqual(await archive.load(blob.layout, undefined), [states])
  const opened: string[] = []
  const open = store.open.bind(store)
  store.open = (digest, purpose) => {
    opened.push(digest)
    return open(digest, purpose)
  }
  const told = await Promise.all([1, 2].map(() => archive.load(blob.layout, undefined, ['hash'])))
  assert.deepEqual(told, [[runOf(0, 4)], [runOf(0, 4)]])
  const sign = (): Uint8Array => Uint8Array.of(1)
  assert.deepEqual(await archive.load(blob.layout, sign, ['hash']), [{ ...runOf(0, 4), signature: Uint8Array.of(1) }])
  assert.deepEqual(opened, [blob.digest])
  // what is kept of hashes is not told to who knows states
  assert.deepEqual(await archive.load(blob.layout, undefined), [states])
  assert.deepEqual(await archive.load(blob.layout, sign), [{ ...states, signature: Uint8Array.of(1) }])
})

test('what a cache has signed of states and of hashes is passed on together, if it covers the blob', async (t) => {
  await using store = await openStore(await tempDir(t))
  await storeChain(store)
  const archive = new HashArchive(store, systemClock)
  const signature = Uint8Array.of(7)
  const saved = [
    { ...linkRun(linksOf(blob), 0, 2), signature },
    { ...runOf(2, 2), signature },
  ]
  await archive.save(blob.layout, saved)
  assert.deepEqual(await archive.load(blob.layout, undefined), saved)
  assert.deepEqual(await archive.load(blob.layout, undefined, ['hash']), [runOf(0, 4)], 'its own word: two are missing')
  const wrong = linkRun(linksOf(testBlob(3 * PIECE + 9, 2)), 0, 2)
  await archive.save(blob.layout, [{ ...wrong, signature }, saved[1]!])
  assert.deepEqual(await archive.load(blob.layout, undefined), [linkRun(linksOf(blob), 0, 4)])
})

test('there are no hashes of a chain that the disk has changed', async (t) => {
  const path = await tempDir(t)
  await using store = await openStore(path)
  await storeChain(store)
  await truncate(new StorePaths(path).blob(blob.digest), 3 * PIECE)
  assert.equal(await new HashArchive(store, systemClock).load(blob.layout, undefined, ['hash']), undefined)
})

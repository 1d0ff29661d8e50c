import assert from 'node:assert/strict'
import { open, readFile, rm, truncate } from 'node:fs/promises'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import { clockAt } from '../../support/manual-clock.ts'
import {
  assertBytes,
  contentOf,
  KIB,
  MIB,
  openStore,
  PIECE,
  seededBytes,
  storeBlob,
  temporaryDirectory,
  testBlob,
} from './store-fixture.ts'

test('a committed blob is there after reopening, with its size, content and last use', async () => {
  await using directory = await temporaryDirectory()
  const blob = testBlob(3 * MIB + 5, 1)
  {
    await using store = await openStore(directory.path, {}, { clock: clockAt(() => 1000) })
    assert.equal(store.size(blob.digest), undefined)
    await storeBlob(store, blob)
    assert.equal(store.size(blob.digest), blob.bytes.length)
  }
  await using store = await openStore(directory.path)
  assert.equal(store.size(blob.digest), blob.bytes.length)
  assertBytes(await contentOf(store, blob.digest), blob.bytes)
  assert.equal(store.usage().completeBytes, blob.bytes.length)
  assert.equal(store.usage().partialBytes, 0)
  assertBytes(await readFile(new StorePaths(directory.path).blob(blob.digest)), blob.bytes)
})

for (const [name, size, algorithm] of [
  ['a zero-byte blob', 0, 'sha256'],
  ['a sha512 blob', 600 * KIB, 'sha512'],
  ['a blob of exactly one piece', PIECE, 'sha256'],
] as const) {
  test(`${name} can be put, assembled and reopened`, async () => {
    await using directory = await temporaryDirectory()
    const put = testBlob(size, 2, algorithm)
    {
      await using store = await openStore(directory.path)
      await store.putSmall(put.digest, put.bytes)
      assertBytes(await store.readSmall(put.digest, size), put.bytes)
      await store.remove(put.digest)
      assert.equal(await store.readSmall(put.digest, size), undefined)
      await storeBlob(store, put)
    }
    await using store = await openStore(directory.path)
    assert.equal(store.size(put.digest), size)
    assertBytes(await contentOf(store, put.digest), put.bytes)
  })
}

test('putSmall refuses bytes that do not match, and putting twice is fine', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const bytes = seededBytes(1000, 3)
  const digest = digestOf(bytes)
  await assert.rejects(store.putSmall(digest, seededBytes(1000, 4)), (error) => isShoalError(error, 'CONTENT_CORRUPT'))
  assert.equal(store.size(digest), undefined)
  await Promise.all([store.putSmall(digest, bytes), store.putSmall(digest, bytes)])
  await store.putSmall(digest, bytes)
  assert.equal(store.usage().completeBytes, 1000)
})

test('readSmall answers undefined above its limit', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const bytes = seededBytes(1000, 5)
  await store.putSmall(digestOf(bytes), bytes)
  assert.equal(await store.readSmall(digestOf(bytes), 999), undefined)
  assertBytes(await store.readSmall(digestOf(bytes), 1000), bytes)
})

test('an open handle reads any range, and nothing outside the blob', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(700 * KIB, 6)
  await storeBlob(store, blob)
  const handle = await store.open(blob.digest)
  assert.ok(handle !== undefined)
  const target = new Uint8Array(300 * KIB)
  await handle.readInto(target, 123_457)
  assertBytes(target, blob.bytes.slice(123_457, 123_457 + target.length))
  await handle.readInto(new Uint8Array(0), blob.bytes.length)
  for (const offset of [-1, 0.5, Number.NaN, blob.bytes.length - target.length + 1]) {
    await assert.rejects(handle.readInto(target, offset), (error) => isShoalError(error, 'STORE_FAILED'))
  }
  await handle[Symbol.asyncDispose]()
  await handle[Symbol.asyncDispose]()
  await assert.rejects(handle.readInto(target, 0), (error) => isShoalError(error, 'STORE_FAILED'))
})

test('a removed blob is gone for newcomers, while an open handle reads on', async () => {
  await using directory = await temporaryDirectory()
  const blob = testBlob(700 * KIB, 7)
  {
    await using store = await openStore(directory.path)
    await storeBlob(store, blob)
    await using handle = await store.open(blob.digest)
    await store.remove(blob.digest)
    assert.equal(store.size(blob.digest), undefined)
    assert.equal(await store.open(blob.digest), undefined)
    const target = new Uint8Array(blob.bytes.length)
    await handle?.readInto(target, 0)
    assertBytes(target, blob.bytes)
    assert.equal(store.usage().completeBytes, 0)
    await store.remove(blob.digest)
  }
  await using store = await openStore(directory.path)
  assert.equal(store.size(blob.digest), undefined)
})

test('a blob whose file was deleted or cut behind our back is no longer one', async () => {
  await using directory = await temporaryDirectory()
  const paths = new StorePaths(directory.path)
  await using store = await openStore(directory.path)
  const [gone, cut, short] = [testBlob(MIB, 8), testBlob(MIB, 9), testBlob(MIB, 10)]
  for (const blob of [gone, cut, short]) await storeBlob(store, blob)
  await rm(paths.blob(gone.digest))
  await truncate(paths.blob(cut.digest), 5)
  assert.equal(await store.open(gone.digest), undefined)
  assert.equal(await store.open(cut.digest), undefined)
  assert.equal(store.size(gone.digest), undefined)
  assert.equal(store.usage().completeBytes, MIB)
  await using handle = await store.open(short.digest)
  await truncate(paths.blob(short.digest), 5)
  await assert.rejects(
    async () => handle?.readInto(new Uint8Array(MIB), 0),
    (error) => isShoalError(error, 'STORE_CORRUPT'),
  )
  await storeBlob(store, gone)
  assertBytes(await contentOf(store, gone.digest), gone.bytes)
})

test('closing the store closes what is open, twice if asked, and then everything is refused', async () => {
  await using directory = await temporaryDirectory()
  const store = await openStore(directory.path)
  const blob = testBlob(MIB, 11)
  await storeBlob(store, blob)
  const handle = await store.open(blob.digest)
  const other = testBlob(MIB, 12)
  const partial = await store.openPartial(other.layout)
  const table = store.table('rows', { encode: (value: Uint8Array) => value, decode: (bytes) => bytes })
  await Promise.all([store[Symbol.asyncDispose](), store[Symbol.asyncDispose]()])
  await store[Symbol.asyncDispose]()
  const refused = (error: unknown): boolean => isShoalError(error, 'STORE_FAILED')
  await assert.rejects(async () => handle?.readInto(new Uint8Array(1), 0), refused)
  await assert.rejects(partial.write(0, new Uint8Array(PIECE), new Uint8Array(32)), refused)
  await assert.rejects(partial.commit(), refused)
  await assert.rejects(store.open(blob.digest), refused)
  await assert.rejects(store.putSmall(blob.digest, blob.bytes), refused)
  await assert.rejects(store.openPartial(other.layout), refused)
  await assert.rejects(table.put('a', new Uint8Array(1)), refused)
  await assert.rejects(table.get('a'), refused)
  await handle?.[Symbol.asyncDispose]()
  await partial[Symbol.asyncDispose]()
  const file = await open(new StorePaths(directory.path).blob(blob.digest))
  await file.close()
})

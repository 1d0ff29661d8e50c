import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import { blobKey, encodePartialRow, encodePieceRow, partialKey, pieceKey, proofsKey } from '../../../src/store/rows.ts'
import { StoreIndex } from '../../../src/store/store-index.ts'
import {
  allPieces,
  assertBytes,
  contentOf,
  MIB,
  openStore,
  sha256,
  storeBlob,
  temporaryDirectory,
  testBlob,
  writePieces,
} from './store-fixture.ts'

async function withIndex<T>(path: string, work: (index: StoreIndex) => Promise<T>): Promise<T> {
  await using index = await StoreIndex.open(new StorePaths(path).level, silentLogger)
  return await work(index)
}

async function keys(path: string): Promise<string[]> {
  return await withIndex(path, async (index) => {
    const found: string[] = []
    for await (const [key] of index.entries('')) found.push(key)
    return found
  })
}

test('a crash between rename and row: the blob is adopted, and its partial is gone', async () => {
  await using directory = await temporaryDirectory()
  const paths = new StorePaths(directory.path)
  const blob = testBlob(2 * MIB + 9, 1)
  {
    await using store = await openStore(directory.path)
    await using partial = await store.openPartial(blob.layout)
    await writePieces(partial, blob, allPieces(blob))
  }
  await mkdir(paths.shard(blob.digest), { recursive: true })
  await rename(paths.partial(blob.digest), paths.blob(blob.digest))
  {
    await using store = await openStore(directory.path)
    assert.equal(store.size(blob.digest), blob.bytes.length)
    assertBytes(await contentOf(store, blob.digest), blob.bytes)
    assert.equal(store.usage().partialBytes, 0)
  }
  assert.deepEqual(await keys(directory.path), [blobKey(blob.digest), proofsKey(blob.digest)])
})

test('a file that is not what its name says is deleted, with or without a row', async () => {
  await using directory = await temporaryDirectory()
  const paths = new StorePaths(directory.path)
  const [cut, foreign] = [testBlob(MIB, 2), testBlob(MIB, 3)]
  {
    await using store = await openStore(directory.path)
    await storeBlob(store, cut)
  }
  await truncate(paths.blob(cut.digest), MIB - 1)
  await mkdir(paths.shard(foreign.digest), { recursive: true })
  await writeFile(paths.blob(foreign.digest), cut.bytes)
  {
    await using store = await openStore(directory.path)
    assert.deepEqual(store.list(), [])
    for (const blob of [cut, foreign]) await assert.rejects(readFile(paths.blob(blob.digest)))
    await storeBlob(store, cut)
  }
  assert.deepEqual(await keys(directory.path), [blobKey(cut.digest), proofsKey(cut.digest)])
})

test('rows without files and files without rows are dropped', async () => {
  await using directory = await temporaryDirectory()
  const paths = new StorePaths(directory.path)
  const [blob, partial, stray] = [testBlob(MIB, 4), testBlob(MIB, 5), testBlob(MIB, 6)]
  {
    await using store = await openStore(directory.path)
    await storeBlob(store, blob)
    await using open = await store.openPartial(partial.layout)
    await writePieces(open, partial, [0, 1])
  }
  await rm(paths.blob(blob.digest))
  await rm(paths.partial(partial.digest))
  await writeFile(paths.partial(stray.digest), stray.bytes)
  await writeFile(paths.staging(blob.digest), blob.bytes)
  await withIndex(directory.path, (index) =>
    index.write([[pieceKey(stray.digest, 0), encodePieceRow(sha256(stray.bytes))]], { sync: true }),
  )
  {
    await using store = await openStore(directory.path)
    assert.deepEqual(store.list(), [])
  }
  assert.deepEqual(await keys(directory.path), [])
  assert.deepEqual(await readdir(paths.partialDirectory('sha256')), [])
})

test('a partial beside its complete blob is deleted', async () => {
  await using directory = await temporaryDirectory()
  const paths = new StorePaths(directory.path)
  const blob = testBlob(MIB, 7)
  {
    await using store = await openStore(directory.path)
    await storeBlob(store, blob)
  }
  await writeFile(paths.partial(blob.digest), blob.bytes)
  const row = { size: MIB, pieceSize: blob.layout.pieceSize, lastUsedEpochMs: 1 }
  await withIndex(directory.path, (index) =>
    index.write([[partialKey(blob.digest), encodePartialRow(row)]], { sync: true }),
  )
  {
    await using store = await openStore(directory.path)
    assert.deepEqual(
      store.list().map((entry) => entry.state),
      ['complete'],
    )
  }
  assert.deepEqual(await keys(directory.path), [blobKey(blob.digest), proofsKey(blob.digest)])
})

test('rows that do not decode are dropped, and strange names in blobs/ are left alone', async () => {
  await using directory = await temporaryDirectory()
  const paths = new StorePaths(directory.path)
  const blob = testBlob(MIB, 8)
  {
    await using store = await openStore(directory.path)
    await storeBlob(store, blob)
  }
  await writeFile(join(paths.shard(blob.digest), 'README'), 'mine')
  await withIndex(directory.path, (index) =>
    index.write(
      ['b!x', 'b!../../x', 'p!x', 'h!x', 'n!x'].map((key) => [key, new Uint8Array(16)]),
      { sync: true },
    ),
  )
  {
    await using store = await openStore(directory.path)
    assert.equal(store.list().length, 1)
  }
  assert.deepEqual(await keys(directory.path), [blobKey(blob.digest), proofsKey(blob.digest)])
  assert.equal(await readFile(join(paths.shard(blob.digest), 'README'), 'utf8'), 'mine')
})

test('with its index deleted, a store finds its complete blobs again', async () => {
  await using directory = await temporaryDirectory()
  const blob = testBlob(MIB, 9)
  {
    await using store = await openStore(directory.path)
    await storeBlob(store, blob)
  }
  await rm(new StorePaths(directory.path).level, { recursive: true })
  await using store = await openStore(directory.path)
  assertBytes(await contentOf(store, blob.digest), blob.bytes)
})

test('a store of another format is refused with the remedy, and so is a directory that is no store', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'store')
  await (await openStore(path))[Symbol.asyncDispose]()
  await writeFile(join(path, 'format'), 'shoal-store 9\n')
  await assert.rejects(openStore(path), (error) => {
    assert.ok(isShoalError(error, 'STORE_FAILED'))
    assert.ok(error.message.includes(path))
    assert.match(error.message, /format 9.*delete the directory/)
    return true
  })
  await assert.rejects(openStore(directory.path), (error) => {
    assert.ok(isShoalError(error, 'STORE_FAILED'))
    assert.match(error.message, /is not empty and is no store/)
    return true
  })
  assert.deepEqual(await readdir(directory.path), ['store'])
})

test('a second agent on the same store is told so, and the first goes on', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  await assert.rejects(openStore(directory.path), (error) => {
    assert.ok(isShoalError(error, 'STORE_FAILED'))
    assert.match(error.message, /store is in use by another agent/)
    return true
  })
  await storeBlob(store, testBlob(MIB, 10))
})

import assert from 'node:assert/strict'
import { open, readdir, statfs } from 'node:fs/promises'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { PieceLayout } from '../../../src/piece/piece-layout.ts'
import type { PartialBlob } from '../../../src/store/index.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import type { TestBlob } from './store-fixture.ts'
import {
  allPieces,
  assertBytes,
  contentOf,
  KIB,
  MIB,
  openStore,
  PIECE,
  pieceOf,
  seededBytes,
  sha256,
  storeBlob,
  temporaryDirectory,
  testBlob,
  writePieces,
} from './store-fixture.ts'

const failed = (error: unknown): boolean => isShoalError(error, 'STORE_FAILED')

function heldPieces(partial: PartialBlob): number[] {
  return Array.from({ length: partial.have.length }, (_, piece) => piece).filter((piece) => partial.have.has(piece))
}

/** Flips one byte of a piece in the partial's file, as a lost page would. */
async function damage(path: string, blob: TestBlob, piece: number): Promise<void> {
  const file = await open(new StorePaths(path).partial(blob.digest), 'r+')
  const { start } = blob.layout.range(piece)
  await file.write(Uint8Array.of((blob.bytes[start] ?? 0) ^ 1), 0, 1, start)
  await file.close()
}

test('a partial resumes with its pieces and hashes, in this process and the next', async () => {
  await using directory = await temporaryDirectory()
  const blob = testBlob(8 * PIECE + 1, 1)
  {
    await using store = await openStore(directory.path)
    {
      await using partial = await store.openPartial(blob.layout)
      await writePieces(partial, blob, [0, 3, 8])
    }
    await using again = await store.openPartial(blob.layout)
    assert.deepEqual(heldPieces(again), [0, 3, 8])
    await writePieces(again, blob, [5])
  }
  await using store = await openStore(directory.path)
  assert.equal(store.usage().partialBytes, 3 * PIECE + 1)
  await using partial = await store.openPartial(blob.layout)
  assert.deepEqual(heldPieces(partial), [0, 3, 5, 8])
  assert.deepEqual(partial.hash(8), new Uint8Array(sha256(pieceOf(blob, 8))))
  assert.equal(partial.hash(1), undefined)
  await writePieces(partial, blob, allPieces(blob))
  await partial.commit()
  assertBytes(await contentOf(store, blob.digest), blob.bytes)
})

test('a piece that is not on disk as claimed is dropped on resume', async () => {
  await using directory = await temporaryDirectory()
  const blob = testBlob(8 * PIECE, 2)
  {
    await using store = await openStore(directory.path)
    await using partial = await store.openPartial(blob.layout)
    await writePieces(partial, blob, [1, 2, 7])
  }
  await damage(directory.path, blob, 2)
  const cut = await open(new StorePaths(directory.path).partial(blob.digest), 'r+')
  await cut.truncate(7 * PIECE + 5)
  await cut.close()
  {
    await using store = await openStore(directory.path)
    await using partial = await store.openPartial(blob.layout)
    assert.deepEqual(heldPieces(partial), [1])
    assert.equal(store.usage().partialBytes, PIECE)
    await writePieces(partial, blob, [0])
  }
  await using store = await openStore(directory.path)
  assert.equal(store.usage().partialBytes, 2 * PIECE, 'the rows of dropped pieces are gone')
})

test('dropped pieces stay dropped, and can be written again', async () => {
  await using directory = await temporaryDirectory()
  const blob = testBlob(4 * PIECE, 3)
  {
    await using store = await openStore(directory.path)
    await using partial = await store.openPartial(blob.layout)
    await writePieces(partial, blob, allPieces(blob))
    await partial.drop([1, 2, 99])
    assert.deepEqual(heldPieces(partial), [0, 3])
    assert.equal(partial.hash(1), undefined)
    await assert.rejects(partial.commit(), failed)
    await writePieces(partial, blob, [2])
  }
  await using store = await openStore(directory.path)
  await using partial = await store.openPartial(blob.layout)
  assert.deepEqual(heldPieces(partial), [0, 2, 3])
})

test('one open partial per digest at a time, and none of a complete blob', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(4 * PIECE, 4)
  const results = await Promise.allSettled([store.openPartial(blob.layout), store.openPartial(blob.layout)])
  assert.deepEqual(
    results.map((result) => result.status),
    ['fulfilled', 'rejected'],
  )
  const [first] = results
  assert.ok(first?.status === 'fulfilled')
  await assert.rejects(store.remove(blob.digest), failed)
  await first.value[Symbol.asyncDispose]()
  await storeBlob(store, blob)
  await assert.rejects(store.openPartial(blob.layout), failed)
})

test('readers see written pieces only, go on across the commit, and end with the partial', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(16 * PIECE, 5)
  const partial = await store.openPartial(blob.layout)
  await writePieces(partial, blob, [0, 1])
  const across = new Uint8Array(PIECE + 44 * KIB)
  await partial.readInto(across, PIECE - 44 * KIB)
  assertBytes(across, blob.bytes.slice(PIECE - 44 * KIB, 2 * PIECE))
  await assert.rejects(partial.readInto(across, PIECE + 44 * KIB), failed)
  await assert.rejects(partial.readInto(across, 16 * PIECE - 1), failed)
  const rest = allPieces(blob).slice(2)
  await Promise.all([
    ...rest.map((piece) => writePieces(partial, blob, [piece])),
    ...rest.map((piece) => writePieces(partial, blob, [piece])),
    ...rest.map(async () => {
      const target = new Uint8Array(2 * PIECE)
      await partial.readInto(target, 0)
      assertBytes(target, blob.bytes.slice(0, 2 * PIECE))
    }),
  ])
  await Promise.all([partial.commit(), partial.readInto(across, 4 * PIECE)])
  await store.remove(blob.digest)
  await partial.write(3, pieceOf(blob, 3), sha256(pieceOf(blob, 3)))
  const whole = new Uint8Array(16 * PIECE)
  await partial.readInto(whole, 0)
  assertBytes(whole, blob.bytes)
  await assert.rejects(partial.commit(), failed)
  await partial[Symbol.asyncDispose]()
  await assert.rejects(partial.readInto(across, 0), failed)
})

test('a discarded partial leaves nothing, and does not touch the next one', async () => {
  await using directory = await temporaryDirectory()
  const blob = testBlob(4 * PIECE, 6)
  await using store = await openStore(directory.path)
  const partial = await store.openPartial(blob.layout)
  await writePieces(partial, blob, [0, 1])
  await partial.discard()
  await partial.discard()
  assert.deepEqual(await readdir(new StorePaths(directory.path).partialDirectory('sha256')), [])
  assert.equal(store.usage().partialBytes, 0)
  {
    await using next = await store.openPartial(blob.layout)
    assert.equal(next.have.count, 0)
    await writePieces(next, blob, [2])
    await partial[Symbol.asyncDispose]()
  }
  await using last = await store.openPartial(blob.layout)
  assert.deepEqual(heldPieces(last), [2])
})

test('a partial of another size or piece size starts afresh', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(4 * PIECE, 7)
  {
    await using partial = await store.openPartial(blob.layout)
    await writePieces(partial, blob, [0])
  }
  await using partial = await store.openPartial(new PieceLayout(blob.digest, 4 * PIECE + 1))
  assert.equal(partial.have.count, 0)
  assert.equal(partial.have.length, 5)
  assert.equal(store.usage().partialBytes, 0)
})

test('content put whole while its partial is open wins; the partial commits to it', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(2 * PIECE, 8)
  {
    await using partial = await store.openPartial(blob.layout)
    await store.putSmall(blob.digest, blob.bytes)
    await writePieces(partial, blob, [0, 1])
    await partial.commit()
    const target = new Uint8Array(10)
    await partial.readInto(target, PIECE + 44 * KIB)
    assertBytes(target, blob.bytes.slice(PIECE + 44 * KIB, PIECE + 44 * KIB + 10))
  }
  assert.deepEqual(
    { ...store.usage(), capacityBytes: 0 },
    {
      capacityBytes: 0,
      completeBytes: 2 * PIECE,
      partialBytes: 0,
      pinnedBytes: 0,
      evictedBytes: 0,
      state: 'ok',
    },
  )
})

test('a write outside the geometry is refused', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(PIECE + 44 * KIB, 9)
  await using partial = await store.openPartial(blob.layout)
  const hash = new Uint8Array(32)
  await assert.rejects(partial.write(2, new Uint8Array(44 * KIB), hash), failed)
  await assert.rejects(partial.write(-1, new Uint8Array(PIECE), hash), failed)
  await assert.rejects(partial.write(1, new Uint8Array(PIECE), hash), failed)
  await assert.rejects(partial.write(1, new Uint8Array(44 * KIB), new Uint8Array(20)), failed)
  assert.equal(partial.have.count, 0)
})

test('the caller may reuse bytes and hash once a write has resolved', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(2 * PIECE, 10)
  await using partial = await store.openPartial(blob.layout)
  const buffer = new Uint8Array(PIECE)
  const hash = new Uint8Array(32)
  for (const piece of [0, 1]) {
    buffer.set(pieceOf(blob, piece))
    hash.set(sha256(pieceOf(blob, piece)))
    await partial.write(piece, buffer, hash)
  }
  assert.deepEqual(partial.hash(0), new Uint8Array(sha256(pieceOf(blob, 0))))
  await partial[Symbol.asyncDispose]()
  await using again = await store.openPartial(blob.layout)
  assert.deepEqual(heldPieces(again), [0, 1])
})

test('blobs beyond 4 GiB keep their offsets', async (t) => {
  await using directory = await temporaryDirectory()
  const { bavail, bsize } = await statfs(directory.path)
  const size = 5 * 1024 * MIB + 7
  if (bavail * bsize < size + 1024 * MIB) return t.skip('needs 6 GiB of free space for a sparse file')
  const digest = testBlob(1, 11).digest
  const layout = new PieceLayout(digest, size)
  const bytes = seededBytes(layout.length(layout.count - 1), 12)
  {
    await using store = await openStore(directory.path, { capacityBytes: 2 * size })
    await using partial = await store.openPartial(layout)
    await partial.write(layout.count - 1, bytes, sha256(bytes))
  }
  await using store = await openStore(directory.path, { capacityBytes: 2 * size })
  assert.equal(store.list()[0]?.size, size)
  await using partial = await store.openPartial(layout)
  assert.deepEqual(heldPieces(partial), [layout.count - 1])
  const target = new Uint8Array(7)
  await partial.readInto(target, size - 7)
  assertBytes(target, bytes.slice(-7))
})

import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { ShoalError } from '../../../src/base/errors.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import type { Transfer } from '../../../src/transfer/transfer.ts'
import { tempDir } from '../../support/temp-dir.ts'
import type { TestBlob } from '../store/store-fixture.ts'
import { openStore, PIECE, pieceOf, sha256, testBlob } from '../store/store-fixture.ts'
import { bring, prove, transferOf } from './fixture.ts'

const never = new AbortController().signal

/** A transfer of a blob of four pieces into a real store. */
async function started(t: TestContext, seed: number): Promise<{ blob: TestBlob; transfer: Transfer; file: string }> {
  const blob = testBlob(4 * PIECE - 5, seed)
  const path = await tempDir(t)
  const store = await openStore(path)
  const partial = await store.openPartial(blob.layout)
  t.after(async () => {
    await partial[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })
  return { blob, transfer: transferOf(partial), file: new StorePaths(path).partial(blob.digest) }
}

/** The same blob with one byte of one piece changed. */
function spoiled(blob: TestBlob, piece: number): TestBlob {
  const bytes = blob.bytes.slice()
  bytes[piece * PIECE]! ^= 1
  return { ...blob, bytes }
}

/** A bad disk changes a byte. */
async function spoil(file: string, at: number): Promise<void> {
  const opened = await open(file, 'r+')
  const byte = new Uint8Array(1)
  await opened.read(byte, 0, 1, at)
  byte[0]! ^= 1
  await opened.write(byte, 0, 1, at)
  await opened.close()
}

test("a piece on a peer's word alone is withheld until the whole is proven", async (t) => {
  const { blob, transfer } = await started(t, 1)
  await bring(transfer, blob, [0], 'word')
  await bring(transfer, blob, [1], 'vouched')
  await bring(transfer, blob, [2], 'own')
  assert.deepEqual(
    [0, 1, 2, 3].map((piece) => transfer.servable(piece)),
    [false, true, true, false],
  )
  await bring(transfer, blob, [3], 'word')
  assert.equal(await prove(transfer), 'proven')
  assert.deepEqual(
    [0, 1, 2, 3].map((piece) => transfer.servable(piece)),
    [true, true, true, true],
  )
})

test('a piece that the disk changes between its check and the proof is dropped alone, and blamed on nobody', async (t) => {
  const { blob, transfer, file } = await started(t, 20)
  const lost: number[] = []
  transfer.onLost = (pieces) => lost.push(...pieces)
  await bring(transfer, blob, [3, 2, 1], 'vouched')
  await spoil(file, 2 * PIECE)
  await bring(transfer, blob, [0], 'vouched')
  assert.equal(await prove(transfer), 'partial')
  assert.deepEqual([lost, transfer.failedProofs, transfer.partial.have.has(2)], [[2], 0, false])
  await bring(transfer, blob, [2], 'vouched')
  assert.equal(await prove(transfer), 'proven')
})

test('a piece that the disk changes before a reader comes is not read, and is fetched again', async (t) => {
  const { blob, transfer, file } = await started(t, 21)
  const lost: number[] = []
  transfer.onLost = (pieces) => lost.push(...pieces)
  await bring(transfer, blob, [0, 1], 'vouched')
  await spoil(file, PIECE + 10)
  const target = new Uint8Array(100)
  await assert.rejects(transfer.readInto(target, PIECE), { code: 'STORE_CORRUPT' })
  assert.deepEqual([lost, transfer.servable(1)], [[1], false])
  const servable = transfer.whenServable(1, false, never)
  await bring(transfer, blob, [1], 'vouched')
  await servable
  await transfer.readInto(target, PIECE)
  assert.deepEqual(target, blob.bytes.slice(PIECE, PIECE + 100))
})

test('the last piece leaves only after the proof, however well its hash is trusted', async (t) => {
  const { blob, transfer } = await started(t, 2)
  await bring(transfer, blob, [3, 2, 1], 'own')
  assert.equal(await prove(transfer), 'partial')
  assert.deepEqual(
    [1, 2, 3].map((piece) => transfer.servable(piece)),
    [true, true, false],
  )
  const waiting = transfer.whenServable(3, false, never)
  await bring(transfer, blob, [0], 'own')
  assert.equal(await prove(transfer), 'proven')
  await waiting
})

test('the verdict is given once, and not before every piece is on disk', async (t) => {
  const { blob, transfer } = await started(t, 3)
  await bring(transfer, blob, [0, 1, 2], 'own')
  // the hash takes the last piece from memory while it is still being written
  transfer.pieceHashes.setOwn(3, sha256(pieceOf(blob, 3)))
  const writing = transfer.store(3, pieceOf(blob, 3), sha256(pieceOf(blob, 3)))
  assert.equal(transfer.partial.have.complete, false)
  assert.equal(await prove(transfer), transfer.partial.have.complete ? 'proven' : 'partial')
  await writing
  const verdicts = await Promise.all([prove(transfer), prove(transfer), prove(transfer)])
  assert.ok(verdicts.filter((verdict) => verdict === 'proven').length <= 1)
  assert.ok(transfer.proven)
  assert.equal(await prove(transfer), 'partial')
  await transfer.partial.commit()
})

test('content that fails its digest is settled as corrupt once, and forgotten whole', async (t) => {
  const { blob, transfer } = await started(t, 4)
  await bring(transfer, spoiled(blob, 1), [0, 1, 2, 3], 'own')
  assert.deepEqual(await Promise.all([prove(transfer), prove(transfer)]), ['corrupt', 'partial'])
  // who comes later must not start over once more
  assert.equal(await prove(transfer), 'partial')
  assert.equal(transfer.servable(3), false)
  await transfer.startOver()
  assert.equal(transfer.failedProofs, 1)
  assert.equal(transfer.partial.have.count, 0)
  assert.equal(transfer.pieceHashes.hash(0), undefined)
  await bring(transfer, blob, [3, 2, 1, 0], 'own')
  assert.equal(await prove(transfer), 'proven')
})

test('after a wrong prefix was handed out, its place is served again only with the same bytes before it', async (t) => {
  const { blob, transfer } = await started(t, 5)
  const wrong = spoiled(blob, 1)
  await bring(transfer, wrong, [0, 1, 2, 3], 'own')
  for (const piece of [0, 1]) transfer.handedOut(piece)
  assert.equal(await prove(transfer), 'corrupt')
  await transfer.startOver()
  assert.ok(transfer.tainted)
  assert.equal(transfer.prefixConfirmed(1), undefined)
  await bring(transfer, blob, [0], 'own')
  // what a reader got so far was right: it may go on
  assert.equal(transfer.prefixConfirmed(1), true)
  assert.ok(transfer.servable(0))
  await bring(transfer, blob, [1], 'own')
  assert.equal(transfer.prefixConfirmed(2), false)
  assert.equal(transfer.servable(1), false)
  assert.ok(transfer.tainted)
})

test('a blob whose handed-out beginning turns out right is not tainted', async (t) => {
  const { blob, transfer } = await started(t, 6)
  await bring(transfer, spoiled(blob, 3), [0, 1, 2, 3], 'own')
  transfer.handedOut(0)
  await prove(transfer)
  await transfer.startOver()
  assert.ok(transfer.tainted)
  await bring(transfer, blob, [0, 1], 'own')
  assert.equal(transfer.tainted, false)
  assert.equal(transfer.prefixConfirmed(2), true)
})

test('a piece that was given out, and that its home then has another hash for, ends who was given it', async (t) => {
  const { blob, transfer } = await started(t, 22)
  await bring(transfer, spoiled(blob, 1), [0, 1, 2], 'vouched')
  for (const piece of [0, 1]) transfer.handedOut(piece)
  const { retractions } = transfer
  const { overruled } = transfer.pieceHashes.addRun({ first: 1, hashes: sha256(pieceOf(blob, 1)) }, 'vouched')
  assert.deepEqual(await transfer.overruled(overruled), [1])
  assert.equal(transfer.tainted, false, 'it may still come as it was')
  await bring(transfer, blob, [1, 3], 'vouched')
  // the whole is right and has never failed; what was given before piece 2 is not
  assert.equal(await prove(transfer), 'proven')
  assert.deepEqual([transfer.failedProofs, transfer.retractions], [0, retractions + 1])
  assert.deepEqual([transfer.prefixConfirmed(1), transfer.prefixConfirmed(2), transfer.tainted], [true, false, true])
})

test('a piece that comes again as it was given takes nothing back', async (t) => {
  const { blob, transfer } = await started(t, 23)
  await bring(transfer, blob, [0, 1], 'vouched')
  transfer.handedOut(1)
  const { retractions } = transfer
  await transfer.partial.drop([1])
  await bring(transfer, blob, [1], 'vouched')
  assert.deepEqual([transfer.retractions, transfer.prefixConfirmed(2), transfer.tainted], [retractions, true, false])
})

test('a piece that was being written while the blob started over is not kept', async (t) => {
  const { blob, transfer } = await started(t, 7)
  const writing = transfer.store(2, pieceOf(blob, 2), sha256(pieceOf(blob, 2)))
  await transfer.startOver()
  assert.equal(await writing, false)
  assert.equal(transfer.partial.have.has(2), false)
})

test('pieces of an earlier process are known by their hashes, and an overruled one leaves the proof', async (t) => {
  const { blob, transfer } = await started(t, 8)
  const wrong = spoiled(blob, 0)
  for (const piece of [0, 1]) {
    await transfer.partial.write(piece, pieceOf(wrong, piece), sha256(pieceOf(wrong, piece)))
  }
  transfer.recallHashes()
  assert.equal(transfer.servable(0), false)
  assert.equal(await prove(transfer), 'partial')
  const hashes = Buffer.concat([0, 1].map((piece) => sha256(pieceOf(blob, piece))))
  const { overruled } = transfer.pieceHashes.addRun({ first: 0, hashes }, 'vouched')
  assert.deepEqual(await transfer.overruled(overruled), [0])
  assert.deepEqual(
    [0, 1].map((piece) => transfer.servable(piece)),
    [false, true],
  )
  await bring(transfer, blob, [0, 2, 3], 'vouched')
  assert.equal(await prove(transfer), 'proven')
})

test('a failure reaches who waits, closing ends the wait, and holds are counted', async (t) => {
  const { transfer } = await started(t, 9)
  const waiting = transfer.whenServable(0, false, never)
  transfer.fail(new ShoalError('ORIGIN_UNREACHABLE', 'gone'))
  await assert.rejects(waiting, { code: 'ORIGIN_UNREACHABLE' })
  let idle = 0
  transfer.onIdle = () => idle++
  const first = transfer.hold()
  const second = transfer.hold()
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  assert.ok(transfer.held)
  second[Symbol.dispose]()
  assert.deepEqual([transfer.held, idle], [false, 1])
  const change = transfer.nextChange(60_000)
  transfer.close(new Error('stopped'))
  assert.equal(await change, false)
})

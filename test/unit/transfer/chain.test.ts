import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { areStates, isLink, leadToDigest, packedProofs } from '../../../src/piece/piece-proof.ts'
import type { DiskStore, PartialBlob } from '../../../src/store/index.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import type { Transfer } from '../../../src/transfer/transfer.ts'
import { tempDir } from '../../support/temp-dir.ts'
import type { TestBlob } from '../store/store-fixture.ts'
import { assertBytes, contentOf, openStore, PIECE, pieceOf, sha256, testBlob } from '../store/store-fixture.ts'
import { bring, linkRun, linksOf, prove, receive, transferOf } from './fixture.ts'

interface Started {
  readonly blob: TestBlob
  readonly store: DiskStore
  readonly transfer: Transfer
  readonly file: string
  /** Pieces that were read back for the proof of the whole. */
  readonly readBack: number[]
}

/** A transfer of a blob of four pieces into a real store. */
async function started(t: TestContext, seed: number, path?: string): Promise<Started> {
  const blob = testBlob(4 * PIECE - 5, seed)
  const directory = path ?? (await tempDir(t))
  const store = await openStore(directory)
  const partial = await store.openPartial(blob.layout)
  t.after(async () => {
    await partial[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })
  const readBack = watch(partial)
  return { blob, store, transfer: transferOf(partial), file: new StorePaths(directory).partial(blob.digest), readBack }
}

function watch(partial: PartialBlob): number[] {
  const readBack: number[] = []
  const read = partial.readUnchecked.bind(partial)
  partial.readUnchecked = (target, offset) => {
    readBack.push(partial.layout.pieceAt(offset))
    return read(target, offset)
  }
  return readBack
}

/** The same blob with one byte of one piece changed: its chain is another from there on. */
function spoiled(blob: TestBlob, piece: number): TestBlob {
  const bytes = blob.bytes.slice()
  bytes[piece * PIECE]! ^= 1
  return { ...blob, bytes }
}

async function spoilFile(file: string, at: number): Promise<void> {
  await using opened = await open(file, 'r+')
  const byte = new Uint8Array(1)
  await opened.read(byte, 0, 1, at)
  byte[0]! ^= 1
  await opened.write(byte, 0, 1, at)
}

test('pieces that links have proven in any order prove the whole, and nothing is read back', async (t) => {
  const { blob, store, transfer, readBack } = await started(t, 1)
  transfer.pieceHashes.addRun(linkRun(linksOf(blob), 0, 4), 'vouched')
  assert.deepEqual(await receive(transfer, blob, [3, 1, 0, 2]), [])
  assert.equal(await prove(transfer), 'proven')
  assert.deepEqual(readBack, [])
  await transfer.partial.commit(transfer.whole.states)
  const states = (await store.proofs(blob.digest)) ?? new Uint8Array()
  assert.ok(areStates(blob.layout, states) && leadToDigest(blob.layout, states))
  assertBytes(await contentOf(store, blob.digest), blob.bytes)
})

test('pieces read from an origin in turn are their own links; the others are read back for the chain', async (t) => {
  const { blob, store, transfer, readBack } = await started(t, 2)
  const kinds: boolean[] = []
  for (const piece of [0, 2, 1, 3]) {
    const proof = transfer.whole.ownProof(piece, pieceOf(blob, piece))
    kinds.push(isLink(proof))
    transfer.pieceHashes.setOwn(piece, proof)
    await transfer.store(piece, pieceOf(blob, piece), proof)
  }
  assert.deepEqual(kinds, [true, false, true, false])
  assert.equal(await prove(transfer), 'proven')
  assert.deepEqual(readBack, [2, 3])
  await transfer.partial.commit(transfer.whole.states)
  assert.ok(areStates(blob.layout, (await store.proofs(blob.digest)) ?? new Uint8Array()))
})

test('second preimages: other bytes after the state that is vouched for are refused, as are the right ones after another', async (t) => {
  const { blob, transfer } = await started(t, 3)
  const links = linksOf(blob)
  transfer.pieceHashes.addRun(linkRun(links, 0, 4), 'vouched')
  for (const piece of [0, 1, 2, 3]) assert.deepEqual(await receive(transfer, spoiled(blob, piece), [piece]), [piece])
  assert.ok(transfer.pieceHashes.vouched(1), 'who sent them has lied')
  transfer.pieceHashes.clear()
  const { first, hashes } = linkRun(links, 1, 1)
  transfer.pieceHashes.addRun({ first, hashes, before: links(0)!.slice(0, 32) }, 'vouched')
  assert.deepEqual(await receive(transfer, blob, [1]), [1])
})

test('a lying list: links that hold for their pieces, but do not meet, are made good by hashing', async (t) => {
  const { blob, transfer, readBack } = await started(t, 4)
  // piece 2 of a content whose piece 1 was wrong: its bytes are right, its states are of another chain
  const strange = linksOf(spoiled(blob, 1))
  transfer.pieceHashes.addRun(linkRun(linksOf(blob), 0, 2), 'word')
  transfer.pieceHashes.addRun(linkRun(strange, 2, 1), 'word')
  transfer.pieceHashes.addRun(linkRun(linksOf(blob), 3, 1), 'word')
  assert.deepEqual(await receive(transfer, blob, [3, 2, 1, 0]), [])
  assert.equal(transfer.servable(1), false, 'a word shows nothing')
  assert.equal(await prove(transfer), 'proven')
  assert.deepEqual(readBack, [2])
  assert.ok(leadToDigest(blob.layout, transfer.whole.states ?? new Uint8Array()))
})

test('a lying list: one chain of wrong content from end to end is not the digest', async (t) => {
  const { blob, transfer } = await started(t, 5)
  const wrong = spoiled(blob, 2)
  transfer.pieceHashes.addRun(linkRun(linksOf(wrong), 0, 4), 'word')
  assert.deepEqual(await receive(transfer, wrong, [0, 1, 2, 3]), [])
  assert.equal(await prove(transfer), 'corrupt')
  assert.equal(transfer.whole.states, undefined)
})

test('a lying list: the digest as last state does not make wrong content right', async (t) => {
  const { blob, transfer } = await started(t, 6)
  const wrong = spoiled(blob, 1)
  const lie = linkRun(linksOf(wrong), 0, 4)
  lie.hashes.set(Buffer.from(blob.digest.slice('sha256:'.length), 'hex'), 3 * 32)
  transfer.pieceHashes.addRun(lie, 'word')
  assert.deepEqual(await receive(transfer, wrong, [0, 1, 2, 3]), [3])
  assert.equal(await prove(transfer), 'partial')
})

test('a lying cache: what it vouches for is shown but for the end, and the whole is not proven', async (t) => {
  const { blob, transfer } = await started(t, 7)
  const wrong = spoiled(blob, 2)
  transfer.pieceHashes.addRun(linkRun(linksOf(wrong), 0, 4), 'vouched')
  await receive(transfer, wrong, [0, 1, 2, 3])
  assert.deepEqual(
    [0, 1, 2, 3].map((piece) => transfer.servable(piece)),
    [true, true, true, false],
  )
  assert.equal(await prove(transfer), 'corrupt')
  assert.equal(transfer.servable(3), false)
})

test('resumed partials: links come back with their pieces, what the disk has changed goes, and nothing is hashed again', async (t) => {
  const path = await tempDir(t)
  {
    await using store = await openStore(path)
    const blob = testBlob(4 * PIECE - 5, 8)
    await using partial = await store.openPartial(blob.layout)
    const transfer = transferOf(partial)
    transfer.pieceHashes.addRun(linkRun(linksOf(blob), 0, 4), 'vouched')
    await receive(transfer, blob, [0, 1, 3])
  }
  await spoilFile(new StorePaths(path).partial(testBlob(4 * PIECE - 5, 8).digest), PIECE)
  const { blob, transfer, readBack } = await started(t, 8, path)
  assert.deepEqual(
    [0, 1, 2, 3].map((piece) => transfer.partial.have.has(piece)),
    [true, false, false, true],
  )
  transfer.recallHashes()
  assert.equal(transfer.servable(0), false, 'nobody vouches for what an earlier process has left')
  transfer.pieceHashes.addRun(linkRun(linksOf(blob), 0, 4), 'vouched')
  assert.ok(transfer.servable(0))
  await receive(transfer, blob, [2, 1])
  assert.equal(await prove(transfer), 'proven')
  assert.deepEqual(readBack, [])
})

test('resumed partials: pieces of a lying list are found out by what a cache vouches for', async (t) => {
  const { blob, transfer } = await started(t, 9)
  const wrong = spoiled(blob, 1)
  // by hash on a peer's word, as a host of before has left them: one is right, one is not
  await bring(transfer, wrong, [0, 1], 'word')
  const { first, count } = transfer.pieceHashes.addRun(linkRun(linksOf(blob), 0, 4), 'vouched')
  assert.equal(transfer.servable(0), false, 'its bytes were not compared with what is vouched for')
  const doubtful = transfer.keptBy.otherwise(first, count)
  assert.deepEqual(doubtful, [0, 1])
  assert.deepEqual(await transfer.keptBy.wrongOf(doubtful), [1])
  assert.ok(transfer.servable(0))
  assert.deepEqual(await transfer.overruled([1]), [1])
  assert.deepEqual(await receive(transfer, blob, [3, 1, 2]), [])
  assert.equal(await prove(transfer), 'proven')
})

test('a piece that the proof has come to, and that the disk then changes, is proven again when it has come again', async (t) => {
  const { blob, transfer, file } = await started(t, 10)
  transfer.pieceHashes.addRun(linkRun(linksOf(blob), 0, 4), 'vouched')
  await receive(transfer, blob, [0, 1])
  assert.equal(transfer.whole.next, 2)
  await spoilFile(file, PIECE)
  await assert.rejects(transfer.readInto(new Uint8Array(10), PIECE), { code: 'STORE_CORRUPT' })
  assert.equal(transfer.whole.next, 0)
  await receive(transfer, blob, [1, 2, 3])
  assert.equal(await prove(transfer), 'proven')
})

test('what was given out is the same by whatever proof it comes again, and another is not', async (t) => {
  const { blob, transfer } = await started(t, 11)
  const wrong = spoiled(blob, 0)
  transfer.pieceHashes.addRun(linkRun(linksOf(wrong), 0, 4), 'vouched')
  await receive(transfer, wrong, [0, 1, 2, 3])
  for (const piece of [0, 1, 2]) transfer.handedOut(piece)
  assert.equal(await prove(transfer), 'corrupt')
  await transfer.startOver()
  transfer.pieceHashes.addRun(linkRun(linksOf(blob), 0, 2), 'vouched')
  transfer.pieceHashes.addRun({ first: 2, hashes: sha256(pieceOf(blob, 2)) }, 'vouched')
  // other states before them, and a hash: the bytes of these two are as they were
  await receive(transfer, blob, [1, 2])
  assert.equal(transfer.prefixConfirmed(2), undefined, 'the first is not back yet')
  await receive(transfer, blob, [0])
  assert.equal(transfer.prefixConfirmed(1), false)
})

test('a host of before is told hashes of what is here, and of what comes from then on', async (t) => {
  const { blob, transfer } = await started(t, 12)
  transfer.pieceHashes.addRun(linkRun(linksOf(blob), 0, 3), 'vouched')
  await receive(transfer, blob, [0, 1])
  const told = (): number[] =>
    transfer.pieceHashes
      .runs(transfer.partial.have, () => Uint8Array.of(1), ['hash'])
      .map(({ hashes }) => hashes.length / 32)
  assert.deepEqual(told(), [])
  await Promise.all([1, 2].map(() => transfer.keptBy.hashed().then(() => assert.deepEqual(told(), [2]))))
  assert.deepEqual(told(), [2])
  await receive(transfer, blob, [2])
  assert.deepEqual(told(), [3])
  const [run] = transfer.pieceHashes.runs(transfer.partial.have, () => undefined, ['hash'])
  assert.deepEqual(Buffer.from(run!.hashes), Buffer.concat([0, 1, 2].map((piece) => sha256(pieceOf(blob, piece)))))
  // also of what is told last, once the whole is proven
  transfer.pieceHashes.addRun(linkRun(linksOf(blob), 3, 1), 'vouched')
  await receive(transfer, blob, [3])
  assert.equal(await prove(transfer), 'proven')
  const { states = new Uint8Array() } = transfer.whole
  transfer.pieceHashes.proven((piece) => transfer.partial.hash(piece), packedProofs(blob.layout, states))
  assert.deepEqual(told(), [4])
  // to who knows links, each piece is told once, as its link
  const runs = transfer.pieceHashes.runs(transfer.partial.have, () => undefined)
  assert.deepEqual(
    runs.map(({ before }) => before !== undefined),
    [true],
  )
})

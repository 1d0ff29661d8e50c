import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { Rng } from '../../../src/base/rng.ts'
import { seededRng } from '../../../src/base/rng.ts'
import type { DiskStore, PartialBlob } from '../../../src/store/index.ts'
import type { TestBlob } from './store-fixture.ts'
import {
  allPieces,
  assertBytes,
  contentOf,
  KIB,
  openStore,
  pieceOf,
  sha256,
  temporaryDirectory,
  testBlob,
  writePieces,
} from './store-fixture.ts'

/** What the store should hold of one blob. */
interface Expected {
  readonly blob: TestBlob
  complete: boolean
  readonly pieces: Set<number>
  partial: PartialBlob | undefined
}

type Step = (expected: Expected, store: DiskStore, rng: Rng) => Promise<void>

const failed = (error: unknown): boolean => isShoalError(error, 'STORE_FAILED')

const STEPS: Readonly<Record<string, Step>> = {
  async openPartial(expected, store) {
    if (expected.complete || expected.partial !== undefined) {
      await assert.rejects(store.openPartial(expected.blob.layout), failed)
      return
    }
    expected.partial = await store.openPartial(expected.blob.layout)
    for (const piece of allPieces(expected.blob)) {
      assert.equal(expected.partial.have.has(piece), expected.pieces.has(piece))
    }
  },
  async write({ partial, blob, pieces, complete }, _store, rng) {
    if (partial === undefined || complete) return
    const chosen = allPieces(blob).filter(() => rng.next() < 0.4)
    await Promise.all(chosen.map((piece) => writePieces(partial, blob, [piece])))
    for (const piece of chosen) pieces.add(piece)
  },
  async drop({ partial, blob, pieces, complete }, _store, rng) {
    if (partial === undefined || complete) return
    const piece = rng.below(blob.layout.count + 1)
    await partial.drop([piece])
    pieces.delete(piece)
  },
  async commit(expected) {
    const { partial, blob, pieces, complete } = expected
    if (partial === undefined) return
    if (complete || pieces.size < blob.layout.count) {
      await assert.rejects(partial.commit(), failed)
      return
    }
    await partial.commit()
    expected.complete = true
    pieces.clear()
  },
  async close(expected) {
    await expected.partial?.[Symbol.asyncDispose]()
    expected.partial = undefined
  },
  async discard(expected) {
    if (expected.partial === undefined || expected.complete) return
    await expected.partial.discard()
    await expected.partial[Symbol.asyncDispose]()
    expected.partial = undefined
    expected.pieces.clear()
  },
  async put(expected, store) {
    if (expected.partial !== undefined) return
    await store.putSmall(expected.blob.digest, expected.blob.bytes)
    expected.complete = true
    expected.pieces.clear()
  },
  async remove(expected, store) {
    if (expected.partial !== undefined) return
    await store.remove(expected.blob.digest)
    expected.complete = false
    expected.pieces.clear()
  },
  async read({ blob, partial, pieces, complete }, store) {
    const content = await contentOf(store, blob.digest)
    if (complete) assertBytes(content, blob.bytes)
    else assert.equal(content, undefined)
    if (partial === undefined) return
    for (const piece of pieces) {
      const target = new Uint8Array(blob.layout.length(piece))
      await partial.readInto(target, blob.layout.range(piece).start)
      assertBytes(target, pieceOf(blob, piece).slice())
      assert.deepEqual(partial.hash(piece), new Uint8Array(sha256(target)))
    }
  },
}

function check(store: DiskStore, model: readonly Expected[]): void {
  let completeBytes = 0
  let partialBytes = 0
  for (const { blob, complete, pieces } of model) {
    assert.equal(store.size(blob.digest), complete ? blob.bytes.length : undefined)
    if (complete) completeBytes += blob.bytes.length
    for (const piece of pieces) partialBytes += blob.layout.length(piece)
  }
  assert.equal(store.usage().completeBytes, completeBytes)
  assert.equal(store.usage().partialBytes, partialBytes)
}

for (const seed of [1, 2, 3, 4]) {
  test(`any order of operations leaves what a plain model says (seed ${seed})`, async () => {
    await using directory = await temporaryDirectory()
    const rng = seededRng(seed)
    const model = [0, 1, 300 * KIB, 1024 * KIB + 3].map((size, i): Expected => {
      return { blob: testBlob(size, 10 * seed + i), complete: false, pieces: new Set(), partial: undefined }
    })
    const names = Object.keys(STEPS)
    let store = await openStore(directory.path)
    try {
      for (let i = 0; i < 120; i++) {
        const expected = model[rng.below(model.length)]
        const name = names[rng.below(names.length)] ?? ''
        if (expected !== undefined) await STEPS[name]?.(expected, store, rng)
        if (rng.next() < 0.05) {
          await store[Symbol.asyncDispose]()
          for (const each of model) each.partial = undefined
          store = await openStore(directory.path)
        }
        check(store, model)
      }
    } finally {
      await store[Symbol.asyncDispose]()
    }
  })
}

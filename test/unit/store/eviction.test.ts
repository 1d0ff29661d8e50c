import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { MetricRegistry } from '../../../src/base/metrics.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import type { DiskStore } from '../../../src/store/index.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import { clockAt } from '../../support/manual-clock.ts'
import type { TestBlob } from './store-fixture.ts'
import { allPieces, openStore, PIECE, storeBlob, temporaryDirectory, testBlob, writePieces } from './store-fixture.ts'

// A capacity of 20 pieces: blobs of one piece reach the high mark (95 %) with the 19th, and go down to 17 (85 %).
const CAPACITY = 20 * PIECE

const diskFull = (error: unknown): boolean => isShoalError(error, 'STORE_DISK_FULL')

function onePiece(seed: number): TestBlob {
  return testBlob(PIECE, seed)
}

function range(from: number, to: number): TestBlob[] {
  return Array.from({ length: to - from }, (_, i) => onePiece(from + i))
}

/** Seeds of `blobs` that are in the store. */
function present(store: DiskStore, blobs: readonly TestBlob[]): number[] {
  return blobs.flatMap((blob) => (store.size(blob.digest) === undefined ? [] : [(blob.bytes.at(-1) ?? 0) & 0xff]))
}

test('above the high mark the least recently used blobs go, down to the low mark', async () => {
  await using directory = await temporaryDirectory()
  let now = 1000
  await using store = await openStore(directory.path, { capacityBytes: CAPACITY }, { clock: clockAt(() => now++) })
  const blobs = range(0, 20)
  for (const blob of blobs.slice(0, 19)) await store.putSmall(blob.digest, blob.bytes)
  assert.equal(store.usage().evictedBytes, 0)
  await (await store.open(onePiece(0).digest))?.[Symbol.asyncDispose]()
  await store.readSmall(onePiece(2).digest, PIECE)
  await store.putSmall(onePiece(19).digest, onePiece(19).bytes)
  assert.deepEqual(present(store, blobs), [0, 2, ...range(5, 20).map((_, i) => i + 5)])
  assert.equal(store.usage().evictedBytes, 3 * PIECE)
  assert.equal(store.usage().completeBytes, 17 * PIECE)
  await assert.rejects(access(new StorePaths(directory.path).blob(onePiece(1).digest)))
})

test('the order of use survives a restart', async () => {
  await using directory = await temporaryDirectory()
  let now = 1000
  const options = { capacityBytes: CAPACITY }
  const deps = { clock: clockAt(() => now++) }
  const blobs = range(0, 19)
  {
    await using store = await openStore(directory.path, options, deps)
    for (const blob of blobs) await store.putSmall(blob.digest, blob.bytes)
    await store.readSmall(onePiece(0).digest, PIECE)
  }
  await using store = await openStore(directory.path, options, deps)
  await store.putSmall(onePiece(19).digest, onePiece(19).bytes)
  assert.ok(store.size(onePiece(0).digest) !== undefined)
  assert.equal(store.size(onePiece(1).digest), undefined)
})

test('a pinned blob stays until its pin runs out, also across a restart', async () => {
  await using directory = await temporaryDirectory()
  let now = 1000
  const options = { capacityBytes: CAPACITY }
  const deps = { clock: clockAt(() => now) }
  const blobs = range(0, 19)
  {
    await using store = await openStore(directory.path, options, deps)
    await store.pin(onePiece(0).digest, 5000)
    await store.pin(onePiece(1).digest, Number.POSITIVE_INFINITY)
    await store.pin(onePiece(2).digest, Number.POSITIVE_INFINITY)
    await store.unpin(onePiece(2).digest)
    for (const blob of blobs) {
      await store.putSmall(blob.digest, blob.bytes)
      now++
    }
    assert.equal(store.usage().pinnedBytes, 2 * PIECE)
  }
  await using store = await openStore(directory.path, options, deps)
  assert.equal(store.list().find((entry) => entry.digest === onePiece(0).digest)?.pinnedUntilEpochMs, 5000)
  await store.putSmall(onePiece(19).digest, onePiece(19).bytes)
  assert.deepEqual(present(store, range(0, 6)), [0, 1, 5])
  now = 5000
  for (const blob of range(20, 24)) await store.putSmall(blob.digest, blob.bytes)
  assert.deepEqual(present(store, range(0, 6)), [1])
  assert.equal(store.usage().pinnedBytes, PIECE)
})

test('a blob or partial in use stays; when nothing can go, the request is refused and nothing is evicted', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path, { capacityBytes: CAPACITY })
  const [used, other] = [onePiece(0), onePiece(1)]
  await store.putSmall(used.digest, used.bytes)
  await store.putSmall(other.digest, other.bytes)
  const handle = await store.open(used.digest)
  const big = testBlob(18 * PIECE, 2)
  const bigger = testBlob(20 * PIECE, 3)
  await assert.rejects(store.openPartial(bigger.layout), diskFull)
  assert.ok(store.size(other.digest) !== undefined, 'evicted for a request that was refused')
  assert.equal(store.usage().state, 'full')
  {
    await using partial = await store.openPartial(big.layout)
    await writePieces(partial, big, [0])
    assert.ok(store.size(other.digest) !== undefined, 'evicted for what has not come')
    await assert.rejects(store.openPartial(testBlob(2 * PIECE, 4).layout), diskFull)
    await writePieces(partial, big, allPieces(big))
    assert.equal(store.size(other.digest), undefined)
    assert.ok(store.size(used.digest) !== undefined)
  }
  await handle?.[Symbol.asyncDispose]()
  await using partial = await store.openPartial(bigger.layout)
  assert.equal(partial.have.count, 0)
  assert.equal(store.usage().state, 'ok')
})

test('what is held open without need is let go of when there is no room otherwise, and only then', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path, { capacityBytes: CAPACITY })
  const [held, other] = [onePiece(0), onePiece(1)]
  await store.putSmall(held.digest, held.bytes)
  const handle = await store.open(held.digest)
  let asked = 0
  using _holder = store.onShortage(async () => {
    asked++
    await handle?.[Symbol.asyncDispose]()
  })
  await store.putSmall(other.digest, other.bytes)
  await assert.rejects(store.openPartial(testBlob(21 * PIECE, 2).layout), diskFull)
  assert.equal(asked, 0, 'for what fits, or never will')
  await using partial = await store.openPartial(testBlob(20 * PIECE, 3).layout)
  assert.deepEqual([asked, partial.have.count], [1, 0])
})

test('what a refusal says is enough to act on', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path, { capacityBytes: CAPACITY })
  const huge = testBlob(21 * PIECE, 1)
  await assert.rejects(store.openPartial(huge.layout), (error) => {
    assert.ok(isShoalError(error, 'STORE_DISK_FULL'))
    assert.match(error.message, new RegExp(`no room for ${21 * PIECE} bytes: [0-9]+ bytes free, .*store\\.capacity$`))
    return true
  })
  assert.equal(store.usage().state, 'ok', 'a blob that never fits is no alarm')
  assert.deepEqual(store.list(), [])
})

test('partials nobody has open go before any blob', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path, { capacityBytes: CAPACITY })
  const left = testBlob(10 * PIECE, 200)
  {
    await using partial = await store.openPartial(left.layout)
    await writePieces(partial, left, [0, 1, 2, 3])
  }
  const blobs = range(0, 15)
  for (const blob of blobs) await store.putSmall(blob.digest, blob.bytes)
  await store.putSmall(onePiece(15).digest, onePiece(15).bytes)
  assert.equal(store.usage().partialBytes, 0)
  assert.equal(present(store, range(0, 16)).length, 16)
  assert.equal(store.usage().evictedBytes, 4 * PIECE)
  await using partial = await store.openPartial(left.layout)
  assert.equal(partial.have.count, 0)
})

test('a size that was only announced takes nobody room: nothing is evicted, nothing refused, until bytes come', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path, { capacityBytes: CAPACITY })
  const blobs = range(0, 15)
  for (const blob of blobs) await store.putSmall(blob.digest, blob.bytes)
  await using liar = await store.openPartial(testBlob(20 * PIECE, 100).layout)
  await using other = await store.openPartial(testBlob(20 * PIECE, 101).layout)
  assert.deepEqual([liar.have.count, other.have.count], [0, 0])
  assert.deepEqual(present(store, blobs).length, 15)
  assert.equal(store.usage().evictedBytes, 0)
})

test('what is arriving keeps its room against newcomers, so that pulls at once do not overcommit', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path, { capacityBytes: CAPACITY })
  const [first, second, third] = [testBlob(8 * PIECE, 1), testBlob(8 * PIECE, 2), testBlob(8 * PIECE, 3)]
  const partials = [await store.openPartial(first.layout), await store.openPartial(second.layout)]
  await writePieces(partials[0]!, first, [0])
  await writePieces(partials[1]!, second, [0])
  await assert.rejects(store.openPartial(third.layout), diskFull)
  await partials[0]!.discard()
  await using late = await store.openPartial(third.layout)
  assert.equal(late.have.count, 0)
})

test('bytes that come after all room is taken are refused, and what is here stays', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path, { capacityBytes: CAPACITY })
  const [first, second] = [testBlob(12 * PIECE, 1), testBlob(12 * PIECE, 2)]
  await using one = await store.openPartial(first.layout)
  await using two = await store.openPartial(second.layout)
  await writePieces(one, first, allPieces(first))
  await assert.rejects(writePieces(two, second, allPieces(second)), diskFull)
  assert.equal(store.usage().state, 'full')
  await one.commit()
  assert.equal(store.size(first.digest), first.bytes.length)
})

test('a store opened with a smaller capacity evicts at once', async () => {
  await using directory = await temporaryDirectory()
  const blobs = range(0, 10)
  {
    await using store = await openStore(directory.path, { capacityBytes: CAPACITY })
    for (const blob of blobs) await storeBlob(store, blob)
  }
  await using store = await openStore(directory.path, { capacityBytes: 6 * PIECE })
  assert.equal(store.usage().completeBytes, 5 * PIECE)
})

test('metrics follow the store', async () => {
  await using directory = await temporaryDirectory()
  const values = new Map<string, number>()
  const collectors: (() => void)[] = []
  const metrics: MetricRegistry = {
    ...noMetrics,
    counter: (name) => ({ inc: (_, by = 1) => values.set(name, (values.get(name) ?? 0) + by) }),
    gauge(name, _help, _labels, collect) {
      const gauge = {
        set: (labels: object, value: number) => values.set([name, ...Object.values(labels)].join(' '), value),
      }
      collectors.push(() => collect?.(gauge))
      return gauge
    },
  }
  await using store = await openStore(directory.path, { capacityBytes: 8 * PIECE }, { metrics })
  for (const blob of range(0, 8)) await storeBlob(store, blob)
  await store.pin(onePiece(7).digest, Number.POSITIVE_INFINITY)
  await using partial = await store.openPartial(testBlob(2 * PIECE, 100).layout)
  await writePieces(partial, testBlob(2 * PIECE, 100), [1])
  for (const collect of collectors) collect()
  assert.equal(values.get('shoal_store_bytes complete'), store.usage().completeBytes)
  assert.equal(values.get('shoal_store_bytes partial'), PIECE)
  assert.equal(values.get('shoal_store_bytes pinned'), PIECE)
  assert.equal(values.get('shoal_store_capacity_bytes'), 8 * PIECE)
  assert.equal(values.get('shoal_store_disk_full'), 0)
  assert.equal(values.get('shoal_store_evicted_bytes_total'), store.usage().evictedBytes)
  assert.ok(store.usage().evictedBytes > 0)
})

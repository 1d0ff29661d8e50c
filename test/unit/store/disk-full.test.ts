import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { isShoalError } from '../../../src/base/errors.ts'
import type { TableCodec } from '../../../src/store/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import {
  allPieces,
  assertBytes,
  contentOf,
  KIB,
  MIB,
  openStore,
  PIECE,
  storeBlob,
  temporaryDirectory,
  testBlob,
  until,
  writePieces,
} from './store-fixture.ts'

const run = promisify(execFile)
const raw: TableCodec<Uint8Array> = { encode: (value) => value, decode: (bytes) => Uint8Array.from(bytes) }
const diskFull = (error: unknown): boolean => isShoalError(error, 'STORE_DISK_FULL')

/** A file system of `sizeBytes` of its own; undefined, with the test skipped, where it cannot be mounted. */
async function smallFileSystem(
  t: TestContext,
  sizeBytes: number,
): Promise<(AsyncDisposable & { path: string }) | undefined> {
  const directory = await temporaryDirectory()
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', directory.path])
  } catch {
    await directory[Symbol.asyncDispose]()
    t.skip('needs the right to mount a tmpfs')
    return undefined
  }
  return {
    path: directory.path,
    async [Symbol.asyncDispose]() {
      await run('umount', [directory.path])
      await directory[Symbol.asyncDispose]()
    },
  }
}

/** Takes all free space but `leaveBytes`. */
async function fillUp(path: string, leaveBytes: number): Promise<void> {
  await writeFile(join(path, 'filler'), new Uint8Array((await freeBytes(path)) - leaveBytes))
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

test('below the floor of free space nothing is written, and the refusal names needed, free and floor', async () => {
  await using directory = await temporaryDirectory()
  const minFreeBytes = 2 ** 50
  await using store = await openStore(directory.path, { minFreeBytes })
  const blob = testBlob(PIECE, 1)
  for (const attempt of [() => store.putSmall(blob.digest, blob.bytes), () => store.openPartial(blob.layout)]) {
    await assert.rejects(attempt(), (error) => {
      assert.ok(isShoalError(error, 'STORE_DISK_FULL'))
      assert.match(error.message, new RegExp(`${PIECE} bytes: [0-9]+ bytes free, of which ${minFreeBytes} stay free`))
      assert.match(error.message, /lower store\.minFree/)
      return true
    })
  }
  assert.equal(store.usage().state, 'full')
  assert.deepEqual(store.list(), [])
})

test('the floor evicts before it refuses, and counts what open partials have still to write', async (t) => {
  await using disk = await smallFileSystem(t, 16 * MIB)
  if (disk === undefined) return
  await using store = await openStore(join(disk.path, 'store'), { minFreeBytes: 4 * MIB })
  const blobs = Array.from({ length: 120 }, (_, seed) => testBlob(PIECE, seed))
  for (const blob of blobs) {
    await store.putSmall(blob.digest, blob.bytes)
    const free = await freeBytes(disk.path)
    assert.ok(free >= 4 * MIB - 64 * KIB, `only ${free} bytes free`)
  }
  assert.ok(store.usage().evictedBytes >= 12 * PIECE)
  const last = blobs.at(-1)
  assert.ok(last !== undefined && store.size(last.digest) === PIECE)
  const [first, second] = [testBlob(6 * MIB, 100), testBlob(6 * MIB, 101)]
  await using partial = await store.openPartial(first.layout)
  await writePieces(partial, first, [0])
  await assert.rejects(store.openPartial(second.layout), diskFull)
  await writePieces(partial, first, allPieces(first))
  await partial.commit()
})

test('a disk that others fill: evict and try again, then refuse with an alarm that ends by itself', async (t) => {
  await using disk = await smallFileSystem(t, 24 * MIB)
  if (disk === undefined) return
  const clock = new ManualClock()
  await using store = await openStore(join(disk.path, 'store'), {}, { clock })
  const old = testBlob(MIB, 1)
  await storeBlob(store, old)
  const blob = testBlob(4 * MIB, 2)
  await using partial = await store.openPartial(blob.layout)
  await writePieces(partial, blob, [0])
  await fillUp(disk.path, 0)

  await writePieces(partial, blob, [1])
  assert.equal(store.size(old.digest), undefined, 'made room by evicting')
  assert.equal(store.usage().state, 'ok')

  await assert.rejects(writePieces(partial, blob, allPieces(blob)), diskFull)
  assert.equal(store.usage().state, 'full')
  assert.ok(partial.have.count < partial.have.length)
  const target = new Uint8Array(PIECE)
  await partial.readInto(target, 0)
  assertBytes(target, blob.bytes.slice(0, PIECE))

  await rm(join(disk.path, 'filler'))
  await until(() => {
    clock.advance(60_000)
    return store.usage().state === 'ok'
  }, 'the alarm ends')
  await writePieces(partial, blob, allPieces(blob))
  await partial.commit()
  assertBytes(await contentOf(store, blob.digest), blob.bytes)
})

test('an index that could not be written keeps what is written once there is space', async (t) => {
  await using disk = await smallFileSystem(t, 16 * MIB)
  if (disk === undefined) return
  const path = join(disk.path, 'store')
  const blob = testBlob(MIB, 3)
  {
    await using store = await openStore(path)
    const table = store.table('rows', raw)
    // Enough for LevelDB's log, not for the table it becomes at 4 MiB: a failure that LevelDB never forgets.
    await fillUp(disk.path, 5 * MIB)
    let refused = 0
    for (let i = 0; i < 200 && refused < 3; i++) {
      await table.put(`key-${i}`, testBlob(64 * KIB, i).bytes).catch((error) => {
        assert.ok(isShoalError(error, 'STORE_DISK_FULL', 'STORE_FAILED'), String(error))
        refused++
      })
    }
    assert.equal(refused, 3)
    await rm(join(disk.path, 'filler'))
    await table.put('after', Uint8Array.of(1))
    await storeBlob(store, blob)
  }
  await using store = await openStore(path)
  assert.deepEqual(await store.table('rows', raw).get('after'), Uint8Array.of(1))
  assertBytes(await contentOf(store, blob.digest), blob.bytes)
  assert.equal(await readFile(join(path, 'format'), 'utf8'), 'shoal-store 1\n')
})

import assert from 'node:assert/strict'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import type { Clock } from '../../../src/base/clock.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { isProvenBy, packedProofs } from '../../../src/piece/piece-proof.ts'
import { PATIENCE_MS } from '../../../src/store/disk-health.ts'
import type { StoreOptions } from '../../../src/store/index.ts'
import { SteadyStore } from '../../../src/store/index.ts'
import { RecordedLogger } from '../../integration/swarm-support.ts'
import { eventually } from '../../support/eventually.ts'
import { NO_MOUNTS, SmallDisk } from '../../support/small-disk.ts'
import { tempDir } from '../../support/temp-dir.ts'
import {
  allPieces,
  assertBytes,
  contentOf,
  KIB,
  MIB,
  pieceOf,
  storeBlob,
  testBlob,
  writePieces,
} from './store-fixture.ts'

const NOTES = {
  encode: (text: string): Uint8Array => Buffer.from(text),
  decode: (bytes: Uint8Array): string => Buffer.from(bytes).toString(),
}
/** Waits that take seconds take parts of one; a disk hangs when a test says so, and not because the machine is busy. */
class DiskClock implements Clock {
  readonly now = systemClock.now
  readonly wall = systemClock.wall
  hangs = false

  after(ms: number, fn: () => void): Disposable {
    const isPatience = Object.values<number>(PATIENCE_MS).includes(ms)
    return isPatience && !this.hangs ? { [Symbol.dispose]() {} } : systemClock.after(ms / 10, fn)
  }
}

async function steady(
  path: string,
  options: Partial<StoreOptions> = {},
  logger = new RecordedLogger(),
  clock = new DiskClock(),
): Promise<SteadyStore> {
  return await SteadyStore.open(
    { path, capacityBytes: 1024 * MIB, minFreeBytes: 0, memoryBytes: 16 * MIB, ...options },
    { logger, metrics: noMetrics, clock },
  )
}

/** That a store serves what it is given, whatever its disk does; answers what it was given. */
async function serves(store: SteadyStore, seed: number) {
  const [large, small] = [testBlob(2 * MIB + 5, seed), testBlob(20 * KIB, seed + 1)]
  await storeBlob(store, large)
  await store.putSmall(small.digest, small.bytes)
  const notes = store.table('notes', NOTES)
  await notes.put(`key-${seed}`, 'value')
  await store.pin(large.digest, Number.POSITIVE_INFINITY)
  const check = async (): Promise<void> => {
    assertBytes(await contentOf(store, large.digest), large.bytes)
    assertBytes(await store.readSmall(small.digest, MIB), small.bytes)
    const proofs = (await store.proofs(large.digest)) ?? new Uint8Array()
    for (const piece of allPieces(large)) {
      const proof = packedProofs(large.layout, proofs)(piece) ?? new Uint8Array()
      assert.ok(isProvenBy(proof, large.layout, piece, pieceOf(large, piece)), `the proof of piece ${piece}`)
    }
    assert.equal(await notes.get(`key-${seed}`), 'value')
    const keys: string[] = []
    for await (const [key] of notes.entries('key-')) keys.push(key)
    assert.ok(keys.includes(`key-${seed}`), keys.join())
  }
  await check()
  return { large, small, check }
}

async function recovers(store: SteadyStore): Promise<void> {
  await eventually('the store has recovered', () => store.state === 'ok')
}

describe('a disk that cannot be used', { skip: NO_MOUNTS }, () => {
  test('full of blobs at the start: some of them make room', async (t) => {
    const disk = await SmallDisk.inMemory(t, 'size=48m')
    const path = join(disk.path, 'store')
    const old = testBlob(20 * MIB, 1)
    {
      await using store = await steady(path)
      await storeBlob(store, old)
    }
    disk.fill()
    await using store = await steady(path)
    assert.equal(store.size(old.digest), undefined)
    await serves(store, 10)
  })

  test('full of other things at the start: the store works in memory, and on disk once there is room', async (t) => {
    const disk = await SmallDisk.inMemory(t, 'size=32m')
    const path = join(disk.path, 'store')
    // what else a host keeps there may have found room
    await mkdir(path)
    for (const name of ['identity', 'identity-host', 'admin.token', 'admin.sock']) await writeFile(join(path, name), '')
    disk.fill()
    const log = new RecordedLogger()
    await using store = await steady(path, {}, log)
    assert.equal(store.state, 'full')
    const { large, check } = await serves(store, 20)
    assert.equal(store.isKept(large.digest), false)
    disk.unfill()
    await recovers(store)
    await eventually('what was in memory is on disk', () => store.isKept(large.digest))
    await check()
    assert.equal(log.warnings.filter((line) => line.includes('cannot be used')).length, 1, log.warnings.join('\n'))
  })

  test('what has begun in memory and ends when the disk is well again is stored, too', async (t) => {
    const disk = await SmallDisk.inMemory(t, 'size=32m')
    const path = join(disk.path, 'store')
    await (await steady(path))[Symbol.asyncDispose]()
    disk.setReadOnly(true)
    await using store = await steady(path)
    const blob = testBlob(2 * MIB + 5, 60)
    {
      await using partial = await store.openPartial(blob.layout)
      await writePieces(partial, blob, [0])
      disk.setReadOnly(false)
      await recovers(store)
      const other = testBlob(MIB, 61)
      // by then the disk has had what was there to be given
      await storeBlob(store, other)
      assert.equal(store.isKept(other.digest), true)
      await writePieces(partial, blob, allPieces(blob).slice(1))
      await partial.commit()
    }
    await eventually('it is on disk', () => store.isKept(blob.digest))
    assertBytes(await contentOf(store, blob.digest), blob.bytes)
  })

  test('read-only at the start: the same', async (t) => {
    const disk = await SmallDisk.inMemory(t, 'size=32m')
    const path = join(disk.path, 'store')
    {
      await using store = await steady(path)
      await serves(store, 30)
    }
    disk.setReadOnly(true)
    await using store = await steady(path)
    assert.equal(store.state, 'read_only')
    const { large, small, check } = await serves(store, 40)
    disk.setReadOnly(false)
    await recovers(store)
    await eventually('what was in memory is on disk', () => store.isKept(large.digest) && store.isKept(small.digest))
    await check()
    assert.equal(
      store.list().find(({ digest }) => digest === large.digest)?.pinnedUntilEpochMs,
      Number.POSITIVE_INFINITY,
    )
    assert.equal(await store.table('notes', NOTES).get('key-30'), 'value')
  })

  test('read-only after an error of its own: what is on it is read, all else goes through memory', async (t) => {
    const disk = await SmallDisk.onDevice(t, 64)
    const log = new RecordedLogger()
    await using store = await steady(join(disk.path, 'store'), {}, log)
    const before = await serves(store, 50)
    disk.break()
    const after = await serves(store, 60)
    await before.check()
    await after.check()
    assert.equal(store.state, 'read_only')
    assert.equal(store.isKept(before.large.digest), true)
    assert.equal(store.isKept(after.large.digest), false)
    assert.equal(log.warnings.filter((line) => line.includes('cannot be used')).length, 1, log.warnings.join('\n'))
    const tooLarge = testBlob(17 * MIB, 70)
    await assert.rejects(store.openPartial(tooLarge.layout), { code: 'STORE_DISK_FULL' })
    await assert.rejects(store.openPartial(testBlob(MIB, 71).layout, { onDisk: true }), { code: 'STORE_FAILED' })
  })

  test('out of inodes: blobs make room for blobs; taken by others, memory does', async (t) => {
    const disk = await SmallDisk.inMemory(t, 'size=64m,nr_inodes=400')
    await using store = await steady(join(disk.path, 'store'))
    for (let seed = 100; seed < 400; seed++) {
      const blob = testBlob(KIB, seed)
      await store.putSmall(blob.digest, blob.bytes)
      assertBytes(await store.readSmall(blob.digest, MIB), blob.bytes)
      assert.ok(store.isKept(blob.digest), 'on disk')
    }
    disk.fillInodes()
    const { check } = await serves(store, 410)
    disk.unfill()
    await recovers(store)
    await check()
  })

  test('frozen: what hangs is given up, what is on it is read, and all is stored when it thaws', async (t) => {
    const disk = await SmallDisk.onDevice(t, 64)
    const clock = new DiskClock()
    await using store = await steady(join(disk.path, 'store'), {}, new RecordedLogger(), clock)
    const before = await serves(store, 500)
    const arriving = testBlob(2 * MIB, 510)
    await using partial = await store.openPartial(arriving.layout)
    await writePieces(partial, arriving, [0])
    disk.freeze()
    clock.hangs = true
    await assert.rejects(writePieces(partial, arriving, allPieces(arriving)), { code: 'STORE_FAILED' })
    clock.hangs = false
    assert.equal(store.state, 'stalled')
    const during = await serves(store, 520)
    await before.check()
    disk.thaw()
    await recovers(store)
    await eventually('what was in memory is on disk', () => store.isKept(during.large.digest))
    await before.check()
    await during.check()
  })
})

test('what is deleted under an open store is missed once, and stored again', async (t: TestContext) => {
  const cases: Record<string, (path: string) => Promise<void>> = {
    blobs: (path) => rm(join(path, 'blobs/sha256'), { recursive: true }),
    directories: async (path) => {
      for (const name of ['blobs', 'partial']) await rm(join(path, name), { recursive: true })
    },
    content: async (path) => {
      for (const name of await readdir(path)) await rm(join(path, name), { recursive: true })
    },
    all: (path) => rm(path, { recursive: true }),
  }
  for (const [name, damage] of Object.entries(cases)) {
    await t.test(name, async (t) => {
      const path = join(await tempDir(t), 'store')
      {
        await using store = await steady(path)
        const { large, small } = await serves(store, 600)
        await damage(path)
        assert.equal(await contentOf(store, large.digest), undefined)
        assert.equal(await store.readSmall(small.digest, MIB), undefined)
        const again = await serves(store, 600)
        const other = await serves(store, 610)
        for (const blob of [again.large, again.small, other.large, other.small]) assert.ok(store.isKept(blob.digest))
      }
      await using next = await steady(path)
      assertBytes(await contentOf(next, testBlob(2 * MIB + 5, 610).digest), testBlob(2 * MIB + 5, 610).bytes)
    })
  }
})

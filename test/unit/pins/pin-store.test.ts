import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import type { Pin } from '../../../src/pins/pin-store.ts'
import { PinStore } from '../../../src/pins/pin-store.ts'
import { DiskStore } from '../../../src/store/index.ts'
import { clockAt } from '../../support/manual-clock.ts'
import { TempDir } from '../../support/temp-dir.ts'

const MIB = 1024 * 1024
const T0 = 1_700_000_000_000

/** A store whose time the test owns, of four blobs' size. */
async function openStore(path: string, clock: { ms: number }): Promise<DiskStore> {
  const options = { path, capacityBytes: 64 * MIB, minFreeBytes: 0 }
  return DiskStore.open(options, { logger: silentLogger, metrics: noMetrics, clock: clockAt(() => clock.ms) })
}

async function putBlob(store: DiskStore, seed: string): Promise<{ digest: Digest; size: number }> {
  const bytes = Buffer.alloc(MIB, createHash('sha256').update(seed).digest())
  const digest = digestOf(bytes)
  await store.putSmall(digest, bytes)
  return { digest, size: MIB }
}

function pinOf(
  reference: string,
  blobs: { digest: Digest; size: number }[],
  untilEpochMs: number,
  job: string | null = null,
): Pin {
  return { reference, job, digest: blobs[0]?.digest ?? digestOf(Buffer.from('x')), blobs, untilEpochMs }
}

function pinnedUntil(store: DiskStore, digest: Digest): number | undefined {
  return store.list().find((entry) => entry.digest === digest)?.pinnedUntilEpochMs
}

function unpin(pins: PinStore, reference: string): Promise<boolean> {
  return pins.remove((pin) => pin.reference === reference)
}

describe('a pin pins', () => {
  it('keeps what another pinned image needs, for as long as that needs it', async () => {
    await using temp = await TempDir.make()
    const clock = { ms: T0 }
    await using store = await openStore(temp.path, clock)
    const [own, shared] = [await putBlob(store, 'own'), await putBlob(store, 'shared')]
    const pins = await PinStore.open(store, { wall: () => clock.ms })
    await pins.put(pinOf('r/a:1', [own, shared], T0 + 2000))
    await pins.put(pinOf('r/b:1', [shared], T0 + 1000))
    assert.equal(pinnedUntil(store, shared.digest), T0 + 2000)
    assert.equal(await unpin(pins, 'r/a:1'), true)
    assert.equal(pinnedUntil(store, own.digest), undefined)
    assert.equal(pinnedUntil(store, shared.digest), T0 + 1000)
    assert.equal(await unpin(pins, 'r/a:1'), false)
    assert.equal(await unpin(pins, 'r/b:1'), true)
    assert.equal(pinnedUntil(store, shared.digest), undefined)
  })

  it('lets go of what a reference meant before it moved', async () => {
    await using temp = await TempDir.make()
    await using store = await openStore(temp.path, { ms: T0 })
    const [before, after] = [await putBlob(store, 'before'), await putBlob(store, 'after')]
    const pins = await PinStore.open(store, { wall: () => T0 })
    await pins.put(pinOf('r/a:latest', [before], T0 + 1000))
    await pins.put(pinOf('r/a:latest', [after], T0 + 1000))
    assert.equal(pinnedUntil(store, before.digest), undefined)
    assert.equal(pinnedUntil(store, after.digest), T0 + 1000)
    assert.equal(pins.list().length, 1)
  })

  it('keeps pins of an operator and of jobs apart: each may shorten its own, and none cuts another short', async () => {
    await using temp = await TempDir.make()
    await using store = await openStore(temp.path, { ms: T0 })
    const blob = await putBlob(store, 'blob')
    const until = (): number | undefined => pinnedUntil(store, blob.digest)
    const pins = await PinStore.open(store, { wall: () => T0 })
    await pins.put(pinOf('r/a:1', [blob], T0 + 5000))
    await pins.put(pinOf('r/a:1', [blob], T0 + 9000, 'job-1'))
    assert.equal(until(), T0 + 9000)
    await pins.put(pinOf('r/a:1', [blob], T0 + 1000, 'job-1'))
    assert.equal(until(), T0 + 5000, 'the job has shortened its own')
    await pins.put(pinOf('r/a:1', [blob], T0 + 500))
    assert.equal(until(), T0 + 1000, 'so has the operator')
    const again = await PinStore.open(store, { wall: () => T0 })
    assert.deepEqual(
      again.list().map(({ reference, job }) => [reference, job]),
      [
        ['r/a:1', null],
        ['r/a:1', 'job-1'],
      ],
    )
    assert.equal(await again.remove(({ job }) => job === 'job-1'), true)
    assert.equal(until(), T0 + 500)
    await again.put(pinOf('r/a:1', [blob], T0 + 2000, 'job-2'))
    assert.equal(await unpin(again, 'r/a:1'), true)
    assert.equal(until(), undefined, 'whoever pinned it')
  })

  it('ends by itself', async () => {
    await using temp = await TempDir.make()
    const clock = { ms: T0 }
    await using store = await openStore(temp.path, clock)
    const blob = await putBlob(store, 'blob')
    const pins = await PinStore.open(store, { wall: () => clock.ms })
    await pins.put(pinOf('r/a:1', [blob], T0 + 1000))
    assert.equal(store.usage().pinnedBytes, MIB)
    clock.ms = T0 + 1000
    assert.deepEqual(pins.list(), [])
    assert.equal(store.usage().pinnedBytes, 0)
    assert.equal(await unpin(pins, 'r/a:1'), false)
  })

  it('is there after a restart, and drops pins that no image explains', async () => {
    await using temp = await TempDir.make()
    let [kept, orphan] = [
      { digest: digestOf(Buffer.from('')), size: 0 },
      { digest: digestOf(Buffer.from('')), size: 0 },
    ]
    {
      await using store = await openStore(temp.path, { ms: T0 })
      kept = await putBlob(store, 'kept')
      orphan = await putBlob(store, 'orphan')
      const pins = await PinStore.open(store, { wall: () => T0 })
      await pins.put(pinOf('r/a:1', [kept], T0 + 1000))
      // What a crash between two steps of an unpin leaves.
      await store.pin(orphan.digest, T0 + 1000)
    }
    await using store = await openStore(temp.path, { ms: T0 })
    const pins = await PinStore.open(store, { wall: () => T0 })
    assert.deepEqual(
      pins.list().map(({ reference }) => reference),
      ['r/a:1'],
    )
    assert.equal(pinnedUntil(store, kept.digest), T0 + 1000)
    assert.equal(pinnedUntil(store, orphan.digest), undefined)
  })

  it('finishes at the next start what a crash in the middle of a pin left', async () => {
    await using temp = await TempDir.make()
    await using store = await openStore(temp.path, { ms: T0 })
    const blob = await putBlob(store, 'blob')
    const pins = await PinStore.open(store, { wall: () => T0 })
    const crashing = new Proxy(store, {
      get: (target, key) => {
        if (key === 'pin') return () => Promise.reject(new Error('crash'))
        const value = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const doomed = await PinStore.open(crashing, { wall: () => T0 })
    await assert.rejects(doomed.put(pinOf('r/a:1', [blob], T0 + 1000)), /crash/)
    assert.equal(pinnedUntil(store, blob.digest), undefined)
    assert.deepEqual(pins.list(), [])
    const next = await PinStore.open(store, { wall: () => T0 })
    assert.equal(pinnedUntil(store, blob.digest), T0 + 1000)
    assert.equal(next.list().length, 1)
  })
})

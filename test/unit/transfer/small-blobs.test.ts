import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { requireDigest } from '../../../src/oci/digest.ts'
import { SmallBlobs } from '../../../src/transfer/small-blobs.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const MAX_BYTES = 1_000

const digest = (i: number): Digest => requireDigest(`sha256:${i.toString(16).padStart(64, '0')}`)

/** A disk whose reads end when told. */
class SlowDisk {
  readonly reads: { readonly digest: Digest; readonly answer: PromiseWithResolvers<Uint8Array | undefined> }[] = []

  readSmall(of: Digest): Promise<Uint8Array | undefined> {
    const answer = Promise.withResolvers<Uint8Array | undefined>()
    this.reads.push({ digest: of, answer })
    return answer.promise
  }
}

describe('small blobs that a whole region asks for', () => {
  it('are read once for a thousand hosts that ask at once, and for those that ask soon after', async () => {
    const disk = new SlowDisk()
    const blobs = new SmallBlobs({ store: disk, clock: new ManualClock() }, MAX_BYTES)
    const asked = Array.from({ length: 1_000 }, () => blobs.read(digest(1), 3))
    assert.equal(disk.reads.length, 1)
    const bytes = new Uint8Array([1, 2, 3])
    disk.reads[0]?.answer.resolve(bytes)
    for (const answer of await Promise.all(asked)) assert.equal(answer, bytes)
    assert.equal(await blobs.read(digest(1), 3), bytes)
    assert.equal(disk.reads.length, 1)
  })

  it('are read again after a while, so that the store sees that they are in use', async () => {
    const disk = new SlowDisk()
    const clock = new ManualClock()
    const blobs = new SmallBlobs({ store: disk, clock }, MAX_BYTES)
    const first = blobs.read(digest(1), 1)
    disk.reads[0]?.answer.resolve(new Uint8Array(1))
    await first
    clock.advance(10_000)
    void blobs.read(digest(1), 1)
    assert.equal(disk.reads.length, 2)
  })

  it('that are gone or cannot be read are looked for again by the next who asks', async () => {
    const disk = new SlowDisk()
    const blobs = new SmallBlobs({ store: disk, clock: new ManualClock() }, MAX_BYTES)
    const gone = blobs.read(digest(1), 1)
    disk.reads[0]?.answer.resolve(undefined)
    assert.equal(await gone, undefined)
    const broken = blobs.read(digest(1), 1)
    disk.reads[1]?.answer.reject(new ShoalError('STORE_FAILED', 'the disk does not answer'))
    await assert.rejects(broken, { code: 'STORE_FAILED' })
    const found = blobs.read(digest(1), 1)
    disk.reads[2]?.answer.resolve(new Uint8Array(1))
    assert.deepEqual(await found, new Uint8Array(1))
  })

  it('take no more memory than they may: the oldest goes', () => {
    const disk = new SlowDisk()
    const blobs = new SmallBlobs({ store: disk, clock: new ManualClock() }, MAX_BYTES)
    for (const i of [1, 2, 3]) void blobs.read(digest(i), 400)
    for (const i of [2, 3, 1]) void blobs.read(digest(i), 400)
    assert.deepEqual(
      disk.reads.map((read) => read.digest),
      [1, 2, 3, 1].map(digest),
    )
  })
})

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Clock } from '../../../src/base/clock.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { RateLimiter } from '../../../src/base/rate-limiter.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { AGENT_SEEDER } from '../../../src/scheduler/index.ts'
import type { DiskStore } from '../../../src/store/index.ts'
import { IdMap } from '../../../src/transfer/id-map.ts'
import { TransferMetrics } from '../../../src/transfer/metrics.ts'
import { PieceBuffers } from '../../../src/transfer/piece-buffers.ts'
import { SeederPort } from '../../../src/transfer/seeder-port.ts'
import { eventually } from '../../support/eventually.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { MIB, openStore, storeBlob, temporaryDirectory, testBlob } from '../store/store-fixture.ts'
import { SilentLink } from './fixture.ts'

function seederOf(
  store: DiskStore,
  { clock = systemClock, shareable = async () => true }: Partial<Seeding>,
): SeederPort {
  return new SeederPort(AGENT_SEEDER, {
    clock,
    logger: silentLogger,
    metrics: new TransferMetrics(noMetrics, { region: 'test', role: 'agent' }, () => 0),
    store,
    blobs: new IdMap(),
    links: new IdMap(),
    buffers: new PieceBuffers(0),
    upload: new RateLimiter(systemClock, 0),
    archive: { shareable },
  })
}

interface Seeding {
  readonly clock: Clock
  readonly shareable: (digest: Digest) => Promise<boolean>
}

/** A link whose peer takes pieces when told to. */
class SlowLink extends SilentLink {
  readonly pieces: PromiseWithResolvers<boolean>[] = []

  override sendPiece(): Promise<boolean> {
    const taken = Promise.withResolvers<boolean>()
    this.pieces.push(taken)
    return taken.promise
  }

  /** Of which requests their peer was told that they are on their way. */
  get begun(): unknown[] {
    return this.sent.filter(({ type }) => type === 'begun').map(({ type: _, ...body }) => body)
  }
}

test('a peer that does not take a piece is told that it has begun', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(4 * MIB, 1)
  await storeBlob(store, blob)
  const clock = new HandClock()
  await using seeder = seederOf(store, { clock })
  const link = new SlowLink('slow')
  const ask = async (id: number, piece: number): Promise<void> => {
    seeder.request(link, { id, blob: blob.digest, piece, background: false })
    await eventually('the piece is on its way', () => link.pieces.length === id)
  }
  await ask(1, 2)
  link.pieces[0]!.resolve(true)
  await eventually('nothing is waited for', () => clock.timers.size === 0)
  await ask(2, 3)
  assert.deepEqual(link.begun, [])
  clock.fire()
  assert.deepEqual(link.begun, [{ id: 2, piece: 3 }])
  link.pieces[1]!.resolve(true)
})

test('a peer that asks for blobs that are not here is refused without a look at the disk', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(4 * MIB, 1)
  await storeBlob(store, blob)
  const looked: Digest[] = []
  const shareable = async (digest: Digest): Promise<boolean> => {
    looked.push(digest)
    return true
  }
  await using seeder = seederOf(store, { shareable })
  const link = new SilentLink('curious')
  for (let id = 0; id < 100; id++) {
    const made = digestOf(Buffer.from(randomUUID()))
    seeder.request(link, { id, blob: made, piece: 0, background: false })
    assert.equal(await seeder.have(made), undefined)
  }
  assert.equal(link.sent.filter(({ type }) => type === 'busy').length, 100)
  assert.deepEqual(looked, [])
  assert.equal((await seeder.have(blob.digest))?.complete, true)
  assert.deepEqual(looked, [blob.digest])
})

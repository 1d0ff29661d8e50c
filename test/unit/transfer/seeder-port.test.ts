import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { RateLimiter } from '../../../src/base/rate-limiter.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { AGENT_SEEDER } from '../../../src/scheduler/index.ts'
import { IdMap } from '../../../src/transfer/id-map.ts'
import { TransferMetrics } from '../../../src/transfer/metrics.ts'
import { PieceBuffers } from '../../../src/transfer/piece-buffers.ts'
import { SeederPort } from '../../../src/transfer/seeder-port.ts'
import { MIB, openStore, storeBlob, temporaryDirectory, testBlob } from '../store/store-fixture.ts'
import { SilentLink } from './fixture.ts'

test('a peer that asks for blobs that are not here is refused without a look at the disk', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const blob = testBlob(4 * MIB, 1)
  await storeBlob(store, blob)
  const looked: Digest[] = []
  await using seeder = new SeederPort(AGENT_SEEDER, {
    clock: systemClock,
    logger: silentLogger,
    metrics: new TransferMetrics(noMetrics, { region: 'test', role: 'agent' }, () => 0),
    store,
    blobs: new IdMap(),
    links: new IdMap(),
    buffers: new PieceBuffers(0),
    upload: new RateLimiter(systemClock, 0),
    archive: {
      shareable: async (digest) => {
        looked.push(digest)
        return true
      },
    },
  })
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

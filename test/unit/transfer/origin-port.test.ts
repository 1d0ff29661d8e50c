import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { RateLimiter } from '../../../src/base/rate-limiter.ts'
import { openOriginChain } from '../../../src/origin/index.ts'
import { PieceLayout } from '../../../src/piece/piece-layout.ts'
import type { LeecherEvent } from '../../../src/scheduler/index.ts'
import { TransferMetrics } from '../../../src/transfer/metrics.ts'
import { OriginPort } from '../../../src/transfer/origin-port.ts'
import { PieceBuffers } from '../../../src/transfer/piece-buffers.ts'
import { Transfer } from '../../../src/transfer/transfer.ts'
import { deps, sampleRepository, tempDir, writeTree } from '../origin/fixtures.ts'
import type { TestBlob } from '../store/store-fixture.ts'
import { assertBytes, openStore, PIECE, pieceOf, temporaryDirectory, until } from '../store/store-fixture.ts'

/** A blob of some pieces at an origin, and a port that reads it into a transfer. `onStored` may act at each piece. */
async function reading(t: TestContext, onStored: (port: OriginPort, piece: number, transfer: Transfer) => void) {
  const root = await tempDir(t)
  const sample = sampleRepository({ blobBytes: 5 * PIECE - 100 })
  await writeTree(root, sample.files)
  const chain = openOriginChain({ name: 'up', access: 'public', origins: [{ kind: 'directory', path: root }] }, deps)
  t.after(() => chain[Symbol.asyncDispose]())
  const directory = await temporaryDirectory()
  t.after(() => directory[Symbol.asyncDispose]())
  const store = await openStore(directory.path)
  t.after(() => store[Symbol.asyncDispose]())
  const layout = new PieceLayout(sample.blobDigest, sample.blob.length)
  const blob: TestBlob = { bytes: sample.blob, digest: sample.blobDigest, layout }
  const partial = await store.openPartial(layout)
  const buffers = new PieceBuffers(16 * PIECE)
  const ref = { upstream: 'up', repository: sample.repository, digest: sample.blobDigest }
  const transfer = new Transfer(1, ref, partial, { buffers, clock: systemClock })
  const events: LeecherEvent[] = []
  const metrics = new TransferMetrics(noMetrics, { region: 'here', role: 'agent' }, () => 0)
  const port: OriginPort = new OriginPort({
    logger: silentLogger,
    metrics,
    buffers,
    limits: { of: () => [new RateLimiter(systemClock, 0)] },
    leecher: { drive: (event) => void events.push(event) },
    run: (effect) => {
      assert.ok(effect.type === 'kept', effect.type)
      onStored(port, effect.piece, transfer)
    },
  })
  t.after(() => port[Symbol.asyncDispose]())
  const read = async (range: number, first: number): Promise<void> => {
    port.fetch(transfer, chain, { type: 'fetch', blob: 1, range, first, count: layout.count - first })
    await until(
      () => events.some((event) => event.type === 'fetchEnded' && event.range === range),
      'the range has ended',
    )
  }
  await read(1, 0)
  return { blob, buffers, transfer, partial, events, read, metrics }
}

test('a run is cut into pieces, and each can be read from memory under its own name', async (t) => {
  const { blob, buffers, transfer } = await reading(t, () => {})
  assert.ok(transfer.partial.have.complete)
  for (let piece = 0; piece < blob.layout.count; piece++) {
    const bytes = new Uint8Array(blob.layout.length(piece))
    assert.ok(buffers.recall(blob.digest, piece, 0, bytes), `piece ${piece}`)
    assertBytes(bytes, pieceOf(blob, piece))
  }
})

test('a range cancelled just after a piece leaves no buffer under the name of another piece', async (t) => {
  const { blob, buffers, partial, events } = await reading(t, (port, piece) => {
    if (piece === 2) port.cancel(1)
  })
  assert.deepEqual(events.at(-1), { type: 'fetchEnded', range: 1, failure: { final: false, retryAfterMs: 0 } })
  for (let piece = 0; piece < blob.layout.count; piece++) {
    const bytes = new Uint8Array(blob.layout.length(piece))
    if (buffers.recall(blob.digest, piece, 0, bytes)) assertBytes(bytes, pieceOf(blob, piece))
    else assert.ok(!partial.have.has(piece))
  }
})

test('what a cancelled range has read already is kept, and not read again', async (t) => {
  const { blob, transfer, partial, read, metrics } = await reading(t, (port, piece) => {
    // of a directory two pieces are read at a time: this is the first of the two
    if (piece === 2) port.cancel(1)
  })
  assert.equal(partial.have.count, 4)
  await read(2, 4)
  assert.ok(transfer.partial.have.complete)
  assert.equal(metrics.totals.received.origin, blob.bytes.length)
})

test('of a range that is cancelled as its blob starts over nothing is kept', async (t) => {
  const { partial } = await reading(t, (port, piece, transfer) => {
    if (piece !== 2) return
    port.cancel(1)
    void transfer.startOver()
  })
  await until(() => partial.have.count === 0, 'what had come is gone')
  assert.equal(partial.have.count, 0)
})

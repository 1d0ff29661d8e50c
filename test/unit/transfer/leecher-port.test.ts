import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { RateLimiter } from '../../../src/base/rate-limiter.ts'
import { Bitfield } from '../../../src/piece/bitfield.ts'
import type { SourceKind } from '../../../src/scheduler/index.ts'
import { DEFAULT_LEECHER } from '../../../src/scheduler/index.ts'
import { Active } from '../../../src/transfer/active.ts'
import type { EngineEffect } from '../../../src/transfer/engine-effect.ts'
import { IdMap } from '../../../src/transfer/id-map.ts'
import { LeecherPort } from '../../../src/transfer/leecher-port.ts'
import { TransferMetrics } from '../../../src/transfer/metrics.ts'
import { PieceBuffers } from '../../../src/transfer/piece-buffers.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { openStore, PIECE, testBlob } from '../store/store-fixture.ts'
import { SilentLink, transferOf } from './fixture.ts'

const TICK_MS = 100
/** Longer than what has begun may stand still, and shorter than what nobody has begun. */
const STUCK_MS = 6_000

interface Scene {
  readonly port: LeecherPort
  readonly source: SilentLink
  readonly effects: EngineEffect[]
  /** What was asked of the source: ids of requests or wants. */
  asked(): number[]
  /** A neighbour has brought it. */
  came(piece: number): void
  pass(ms: number): void
}

/** A blob of four pieces, with a source that answers nothing, and a limit of what is downloaded (0 for none). */
async function scene(t: TestContext, kind: SourceKind, bytesPerSec = 0): Promise<Scene> {
  const store = await openStore(await tempDir(t))
  const blob = testBlob(4 * PIECE, 1)
  const partial = await store.openPartial(blob.layout)
  t.after(async () => {
    await partial[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })
  const transfer = transferOf(partial)
  const active = new Active(transfer, { entry: 'forClient', shared: true, order: 0 }, 0)
  const clock = new ManualClock()
  const effects: EngineEffect[] = []
  const source = new SilentLink('source', null, 'cache')
  const port = new LeecherPort(DEFAULT_LEECHER, {
    clock,
    logger: silentLogger,
    metrics: new TransferMetrics(noMetrics, { region: 'test', role: 'agent' }, () => 0),
    links: new IdMap(),
    buffers: new PieceBuffers(0),
    download: new RateLimiter(clock, bytesPerSec),
    actives: { at: () => active },
    run: (effect) => effects.push(effect),
  })
  const { layout } = transfer
  const spec = {
    pieces: layout.count,
    pieceBytes: layout.pieceSize,
    have: partial.have,
    order: 0,
    window: undefined,
    swarm: true,
  }
  port.drive({ type: 'blobAdded', blob: transfer.blob, spec })
  port.drive({ type: 'hashesKnown', blob: transfer.blob, first: 0, count: layout.count })
  port.join(transfer, source, kind, 0)
  return {
    port,
    source,
    effects,
    asked: () =>
      source.sent.flatMap((said) => (said.type === 'want' ? said.ids : said.type === 'request' ? [said.id] : [])),
    came: (piece) => port.drive({ type: 'stored', blob: transfer.blob, piece, id: undefined }),
    pass(ms) {
      for (let passed = 0; passed < ms; passed += TICK_MS) {
        clock.advance(TICK_MS)
        port.drive({ type: 'tick' })
      }
    },
  }
}

for (const kind of ['home', 'parent'] as const) {
  test(`a ${kind} that says it has begun, and of which nothing comes, is stuck`, async (t) => {
    const { port, source, effects, asked, pass } = await scene(t, kind)
    port.begun(source, asked()[0]!, 0)
    pass(STUCK_MS)
    assert.ok(effects.some(({ type }) => type === 'stalled'))
  })
}

test('who says nothing is given more time', async (t) => {
  const { effects, pass } = await scene(t, 'home')
  pass(STUCK_MS)
  assert.ok(!effects.some(({ type }) => type === 'stalled'))
})

test('what has begun that was not asked for, or not of them, is nothing', async (t) => {
  const { port, source, effects, asked, pass } = await scene(t, 'home')
  const id = asked()[0]!
  port.begun(new SilentLink('another'), id, 0)
  port.begun(source, id, 4)
  port.begun(source, 1_000_000, 0)
  pass(STUCK_MS)
  assert.ok(!effects.some(({ type }) => type === 'stalled'))
})

test('a want that waits for its share of the download limit waits on when there is news, and then tells it', async (t) => {
  const { source, asked, came, pass } = await scene(t, 'home', PIECE / 4)
  await setImmediate()
  const [first] = asked()
  assert.deepEqual(asked(), [first])
  came(3)
  // homes are told once a second
  pass(1_100)
  await setImmediate()
  assert.ok(asked().length > 1)
  assert.deepEqual(new Set(asked()), new Set([first]), 'what is told now is of the want that has been sent')
  pass(4_000)
  await setImmediate()
  assert.equal(new Set(asked()).size, 2)
  const last = source.sent.findLast((said) => said.type === 'want')
  assert.ok(last?.type === 'want' && last.ids[0] !== first)
  assert.equal(Bitfield.fromBytes(4, last.wanted)?.count, 3)
})

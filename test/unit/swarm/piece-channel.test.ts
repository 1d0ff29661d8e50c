import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRng } from '../../../src/base/rng.ts'
import { FramedPieceChannel } from '../../../src/swarm/framed-piece-channel.ts'
import type { PieceSink } from '../../../src/swarm/index.ts'
import { MAX_QUEUED_PIECES } from '../../../src/swarm/index.ts'
import { MemoryChannel, settle } from './memory-channel.ts'

interface Side {
  readonly transport: MemoryChannel
  readonly channel: FramedPieceChannel
  readonly failures: (Error & { code?: string })[]
}

function pair(): [Side, Side] {
  const sides = MemoryChannel.pair(1000).map((transport) => {
    const side: Side = { transport, channel: new FramedPieceChannel(transport), failures: [] }
    side.channel.open({ failed: (error) => side.failures.push(error) })
    return side
  })
  return [sides[0]!, sides[1]!]
}

function sinkFor(log: string[], buffer?: Uint8Array): PieceSink & { bytes: Uint8Array } {
  return {
    bytes: new Uint8Array(),
    begin(piece, length) {
      log.push(`begin ${piece} ${length}`)
      this.bytes = buffer ?? new Uint8Array(length)
      return this.bytes
    },
    progress(received) {
      log.push(`${received}`)
    },
    end() {
      log.push('end')
    },
  }
}

const never = new AbortController().signal

test('a piece has its golden bytes: id, piece, length, bytes', async () => {
  const [left, right] = pair()
  const seen: Buffer[] = []
  const receive = right.transport.receive.bind(right.transport)
  right.transport.receive = (chunk) => {
    seen.push(Buffer.from(chunk))
    receive(chunk)
  }
  assert.equal(await left.channel.send(0x01020304, 5, Uint8Array.of(0xaa, 0xbb), never), true)
  assert.equal(Buffer.concat(seen).toString('hex'), '01020304' + '00000005' + '00000002' + 'aabb')
})

test('a piece goes to its sink, in slices, with progress every 64 KiB', async () => {
  const [left, right] = pair()
  const log: string[] = []
  const sink = sinkFor(log)
  right.channel.expect(7, sink)
  const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i)
  assert.equal(await left.channel.send(7, 3, bytes, never), true)
  assert.deepEqual(log, ['begin 3 200000', '65988', '131988', '197988', 'end'])
  assert.deepEqual(sink.bytes, bytes)
  assert.ok(right.channel.heardTimes > 0)
  assert.equal(left.channel.heardTimes, 0)
})

test('many pieces arrive intact whatever the chunks', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const rng = seededRng(seed)
    const [left, right] = pair()
    left.transport.flowing = false
    const pieces = Array.from({ length: 12 }, () => Uint8Array.from({ length: rng.below(4000) }, () => rng.below(256)))
    const sinks = pieces.map(() => sinkFor([]))
    for (const [id, sink] of sinks.entries()) right.channel.expect(id, sink)
    const sent = pieces.map((bytes, id) => left.channel.send(id, id, bytes, never))
    for (let i = 0; i < 100; i++) {
      left.transport.pass(1 + rng.below(50))
      await settle()
    }
    assert.deepEqual(
      await Promise.all(sent),
      pieces.map(() => true),
    )
    for (const [id, sink] of sinks.entries()) assert.deepEqual(sink.bytes, pieces[id], `seed ${seed} piece ${id}`)
  }
})

test('what is not expected, or answered already, is skipped', async () => {
  const [left, right] = pair()
  const log: string[] = []
  right.channel.expect(2, sinkFor(log))
  await left.channel.send(1, 1, new Uint8Array(3000), never)
  await left.channel.send(2, 2, new Uint8Array(1), never)
  await left.channel.send(2, 3, new Uint8Array(1), never)
  assert.deepEqual(log, ['begin 2 1', 'end'])
  assert.deepEqual(right.failures, [])
})

test('a sink that is forgotten half way is not touched again, and the next piece is read right', async () => {
  const [left, right] = pair()
  const log: string[] = []
  const buffer = new Uint8Array(2500)
  right.channel.expect(1, sinkFor(log, buffer))
  right.channel.expect(2, sinkFor(log))
  left.transport.flowing = false
  const first = left.channel.send(1, 1, new Uint8Array(2500).fill(9), never)
  left.transport.pass()
  assert.deepEqual(log, ['begin 1 2500'])
  right.channel.forget(1)
  left.transport.flowing = true
  left.transport.pass()
  assert.equal(await first, true)
  assert.equal(await left.channel.send(2, 8, new Uint8Array(1), never), true)
  assert.deepEqual(log, ['begin 1 2500', 'begin 8 1', 'end'])
  assert.equal(buffer.filter((byte) => byte === 9).length, 988)
})

test('a piece the sink refuses, or for which it has no right buffer, ends the channel', async () => {
  for (const answer of [undefined, new Uint8Array(9)]) {
    const [left, right] = pair()
    right.channel.expect(1, { begin: () => answer, progress() {}, end() {} })
    await left.channel.send(1, 1, new Uint8Array(10), never)
    assert.deepEqual(
      right.failures.map((error) => error.code),
      ['PEER_PROTOCOL'],
    )
    assert.ok(right.transport.closed)
  }
})

test('a length above four mebibytes ends the channel, before any of it', () => {
  const [, right] = pair()
  const header = Buffer.alloc(12)
  header.writeUInt32BE(4 * 1024 * 1024 + 1, 8)
  right.transport.receive(header)
  assert.equal(right.failures[0]?.code, 'PEER_PROTOCOL')
})

test('a sink that throws ends the channel and nothing else', async () => {
  const [left, right] = pair()
  right.channel.expect(1, {
    begin() {
      throw new Error('a fault of ours')
    },
    progress() {},
    end() {},
  })
  await left.channel.send(1, 1, new Uint8Array(10), never)
  assert.equal(right.failures.length, 1)
})

test('random bytes never throw out of the channel', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const rng = seededRng(seed)
    const [, right] = pair()
    right.channel.expect(rng.below(3), sinkFor([]))
    for (let i = 0; i < 10; i++) {
      right.transport.receive(
        Uint8Array.from({ length: rng.below(40) }, () => (rng.below(2) === 0 ? 0 : rng.below(256))),
      )
    }
  }
})

test('with a transport that takes nothing, one slice is written and few pieces wait; more are refused', async () => {
  const [left] = pair()
  left.transport.flowing = false
  const sent = Array.from({ length: 20 }, (_, id) => left.channel.send(id, id, new Uint8Array(5000), never))
  await settle()
  assert.equal(left.transport.pendingBytes, 1000)
  assert.equal(left.channel.queued, MAX_QUEUED_PIECES)
  assert.deepEqual(await Promise.all(sent.slice(MAX_QUEUED_PIECES)), [false, false, false, false])
  left.channel.close()
  assert.deepEqual(new Set(await Promise.all(sent)), new Set([false]))
})

test('aborting takes a waiting piece out; one that has begun is sent to its end', async () => {
  const [left, right] = pair()
  const log: string[] = []
  for (const id of [1, 2, 3]) right.channel.expect(id, sinkFor(log))
  left.transport.flowing = false
  const controller = new AbortController()
  const begun = left.channel.send(1, 1, new Uint8Array(1500), controller.signal)
  const waiting = left.channel.send(2, 2, new Uint8Array(1), controller.signal)
  const other = left.channel.send(3, 3, new Uint8Array(1), never)
  controller.abort()
  assert.equal(await waiting, false)
  assert.equal(await left.channel.send(4, 4, new Uint8Array(1), controller.signal), false)
  left.transport.flowing = true
  left.transport.pass()
  assert.equal(await begun, true)
  assert.equal(await other, true)
  assert.deepEqual(log, ['begin 1 1500', 'end', 'begin 3 1', 'end'])
})

test('a transport that ends settles everything and is reported once', async () => {
  const [left, right] = pair()
  left.transport.flowing = false
  const sent = [1, 2].map((id) => left.channel.send(id, id, new Uint8Array(5000), never))
  right.transport.close()
  assert.deepEqual(await Promise.all(sent), [false, false])
  assert.equal(await left.channel.send(3, 3, new Uint8Array(1), never), false)
  assert.deepEqual(
    left.failures.map((error) => error.code),
    ['PEER_GONE'],
  )
  left.channel.close()
  assert.equal(left.failures.length, 1)
})

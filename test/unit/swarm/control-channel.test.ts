import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ShoalError } from '../../../src/base/errors.ts'
import { seededRng } from '../../../src/base/rng.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { ControlChannel } from '../../../src/swarm/control-channel.ts'
import type { Frame, ReceivedFrame } from '../../../src/swarm/wire.ts'
import { encodeFrame } from '../../../src/swarm/wire.ts'
import { MAX_FRAME_BYTES } from '../../../src/swarm/wire-limits.ts'
import { frameOf } from '../../support/said.ts'
import { unbounded } from './control-deps.ts'
import { MemoryChannel, settle } from './memory-channel.ts'

const MIB = 1024 * 1024
const BLOB = `sha256:${'ab'.repeat(32)}` as Digest
const MOVED = encodeFrame({ frame: 'moved' })

function abandon(id: number): Uint8Array {
  return encodeFrame({ frame: 'abandon', id })
}

/** About as large as `bytes`. */
function large(bytes: number): Frame {
  const runs = [{ first: 0, hashes: new Uint8Array(bytes) }]
  return frameOf({ type: 'hashes', blob: BLOB, size: 1, runs })
}

/** One that has a stream to a peer and takes frames. */
class Side {
  readonly stream: MemoryChannel
  readonly control: ControlChannel
  readonly frames: ReceivedFrame[] = []
  readonly failures: ShoalError[] = []

  constructor(stream: MemoryChannel) {
    this.stream = stream
    this.control = new ControlChannel(stream, unbounded())
    this.control.open()
    this.control.allowLargeFrames()
    this.control.setReceiver({
      frame: (frame) => this.frames.push(frame),
      failed: (error) => this.failures.push(error),
    })
  }

  get ids(): number[] {
    return this.frames.map((frame) => (frame.frame === 'abandon' ? frame.id : -1))
  }

  get problems(): string[] {
    return this.failures.map(({ code, message }) => `${code}: ${message}`)
  }
}

function sides(): [Side, Side] {
  const [left, right] = MemoryChannel.pair()
  return [new Side(left), new Side(right)]
}

/** A way from left to right beside the stream. */
function channel(right: Side): [MemoryChannel, MemoryChannel] {
  const [near, far] = MemoryChannel.pair()
  far.open({ data: right.control.continuation(), closed() {} })
  return [near, far]
}

test('frames arrive in the order they were sent, on whichever side of a move, and however late the stream is', async () => {
  for (const chunkBytes of [1, 3, 1000]) {
    const [left, right] = sides()
    const [near] = channel(right)
    left.stream.flowing = false
    near.flowing = false
    for (let id = 0; id < 100; id++) {
      if (id === 50) left.control.moveTo(near)
      left.control.send({ frame: 'abandon', id })
      if (id % 7 === 0) await settle()
    }
    await settle()
    near.pass(chunkBytes)
    assert.deepEqual(right.ids, [], 'what has come by the channel waits for the stream')
    left.stream.pass(chunkBytes)
    left.control.send({ frame: 'abandon', id: 100 })
    await settle()
    near.pass(chunkBytes)
    assert.deepEqual(
      right.ids,
      Array.from({ length: 101 }, (_, id) => id),
    )
    assert.deepEqual(right.problems, [])
  }
})

test('frames arrive in order when stream and channel are cut and mixed at random', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const rng = seededRng(seed)
    const [left, right] = sides()
    const [near] = channel(right)
    left.stream.flowing = false
    near.flowing = false
    const moveAt = rng.below(30)
    for (let id = 0; id < 30; id++) {
      if (id === moveAt) left.control.moveTo(near)
      left.control.send({ frame: 'abandon', id })
      if (rng.below(3) === 0) await settle()
      if (rng.below(3) === 0) near.pass(1 + rng.below(20))
      if (rng.below(4) === 0) left.stream.pass(1 + rng.below(20))
    }
    await settle()
    near.pass()
    left.stream.pass()
    assert.deepEqual(
      right.ids,
      Array.from({ length: 30 }, (_, id) => id),
      `seed ${seed}`,
    )
  }
})

test('both ways move, each for itself, and after it the streams carry nothing', async () => {
  const [left, right] = sides()
  const [leftLane] = channel(right)
  left.control.moveTo(leftLane)
  right.control.send({ frame: 'abandon', id: 1 })
  await settle()
  assert.deepEqual(left.ids, [1], 'the other way has not moved')
  const [rightLane] = channel(left)
  right.control.moveTo(rightLane)
  left.stream.flowing = false
  right.stream.flowing = false
  left.control.send({ frame: 'abandon', id: 2 })
  right.control.send({ frame: 'abandon', id: 3 })
  await settle()
  assert.deepEqual([left.ids, right.ids], [[1, 3], [2]])
})

test('what is sent in one turn leaves as one write after a move as before, and counts as activity', async () => {
  const [left, right] = sides()
  const [near, far] = channel(right)
  left.control.moveTo(near)
  right.control.takeActivity()
  left.control.takeActivity()
  let writes = 0
  const receive = far.receive.bind(far)
  far.receive = (chunk) => {
    writes++
    receive(chunk)
  }
  for (let id = 0; id < 5; id++) left.control.send({ frame: 'abandon', id })
  await settle()
  assert.equal(writes, 1)
  assert.deepEqual(right.ids, [0, 1, 2, 3, 4])
  assert.deepEqual(left.control.takeActivity(), { spoke: true, stuck: false })
  assert.deepEqual(right.control.takeActivity(), { spoke: false, stuck: false })
})

test('what overtakes the move is held up to a bound, one large frame at least; more ends the channel', async () => {
  const [left, right] = sides()
  const [near] = channel(right)
  left.stream.flowing = false
  left.control.moveTo(near)
  left.control.send(large(4 * MIB))
  await settle()
  assert.deepEqual(right.problems, [])
  left.stream.pass()
  assert.equal(right.frames.length, 1)

  const [, other] = sides()
  const put = other.control.continuation()
  let sent = 0
  while (other.failures.length === 0 && sent < 100 * MIB) {
    put(new Uint8Array(64 * 1024))
    sent += 64 * 1024
  }
  assert.deepEqual(other.problems, ['PEER_PROTOCOL: a peer sent too much ahead of its turn'])
  assert.ok(sent < 10 * MIB)
})

test('chunks of one byte that overtake the move are not cheaper to hold than they are', () => {
  const [, right] = sides()
  const put = right.control.continuation()
  let sent = 0
  while (right.failures.length === 0 && sent < MIB) {
    put(Uint8Array.of(0))
    sent++
  }
  assert.ok(right.failures.length === 1 && sent < 100_000, `${sent} chunks`)
})

test('held chunks are not what their owner has written over them since', () => {
  const [, right] = sides()
  const put = right.control.continuation()
  const buffer = Uint8Array.from(abandon(7))
  put(buffer)
  buffer.fill(0xff)
  right.stream.receive(MOVED)
  assert.deepEqual(right.ids, [7])
})

test('a peer that moves without a place to move to, twice, or speaks where it has left, ends the channel', () => {
  const nowhere = sides()[1]
  nowhere.stream.receive(MOVED)
  assert.deepEqual(nowhere.problems, ['PEER_PROTOCOL: a peer moved, but not to a place known'])

  const twice = sides()[1]
  const put = twice.control.continuation()
  twice.stream.receive(MOVED)
  put(MOVED)
  assert.deepEqual(twice.problems, ['PEER_PROTOCOL: a peer moved, but not to a place known'])

  for (const together of [true, false]) {
    const [, left] = sides()
    left.control.continuation()
    if (together) left.stream.receive(Buffer.concat([MOVED, abandon(1)]))
    else for (const bytes of [MOVED, abandon(1)]) left.stream.receive(bytes)
    assert.deepEqual(left.problems, ['PEER_PROTOCOL: a peer sent a frame where it had moved away'])
    assert.deepEqual(left.ids, [])
  }
})

test('garbage and frames that are too large end the channel on a channel as on the stream', () => {
  const tooLong = Buffer.alloc(4)
  tooLong.writeUInt32BE(MAX_FRAME_BYTES + 1)
  for (const held of [true, false]) {
    for (const bytes of [tooLong, Buffer.alloc(4), Buffer.of(0, 0, 0, 1, 0xff)]) {
      const [, right] = sides()
      const put = right.control.continuation()
      if (held) put(bytes)
      right.stream.receive(MOVED)
      if (!held) put(bytes)
      assert.deepEqual(
        right.failures.map((error) => error.code),
        ['PEER_PROTOCOL'],
      )
    }
  }
})

test('a peer that does not read what it is sent by its channel costs no more than one on a stream', async () => {
  const [left, right] = sides()
  const [near] = channel(right)
  left.control.moveTo(near)
  near.flowing = false
  for (let i = 0; i < 40 && left.failures.length === 0; i++) {
    left.control.send(large(MIB))
    await settle()
  }
  assert.deepEqual(left.problems, ['PEER_PROTOCOL: a peer does not read what it is sent'])
  assert.ok(near.pendingBytes < 35 * MIB)
})

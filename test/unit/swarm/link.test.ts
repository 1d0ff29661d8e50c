import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode } from 'cborg'
import type { Clock } from '../../../src/base/clock.ts'
import type { ShoalError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { blobRequests } from '../../../src/blob/index.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { ControlChannel } from '../../../src/swarm/control-channel.ts'
import { FramedPieceChannel } from '../../../src/swarm/framed-piece-channel.ts'
import type { PeerLink, Response } from '../../../src/swarm/index.ts'
import { DEFAULT_SWARM_LIMITS, Dispatcher } from '../../../src/swarm/index.ts'
import type { Dropped } from '../../../src/swarm/link.ts'
import { Link } from '../../../src/swarm/link.ts'
import { speechOf } from '../../../src/swarm/speech.ts'
import { encodeFrame } from '../../../src/swarm/wire.ts'
import { transferMessages } from '../../../src/transfer/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import type { Said } from '../../support/said.ts'
import { said } from '../../support/said.ts'
import { unbounded } from './control-deps.ts'
import { MemoryChannel, settle } from './memory-channel.ts'
import { pass } from './pass.ts'

const BLOB = `sha256:${'ab'.repeat(32)}` as Digest
const QUESTION = { upstream: 'docker.io', repository: 'library/alpine', digest: BLOB }
const never = new AbortController().signal

type Answer = Response & Record<string, unknown>

interface Side {
  readonly link: Link
  readonly channel: ControlChannel
  readonly control: MemoryChannel
  readonly pieces: MemoryChannel
  readonly messages: Said[]
  readonly ends: ShoalError[]
  readonly calls: { name: string; signal: AbortSignal; answer: (result: Answer) => void }[]
  readonly dropped: Dropped[]
  refused: number
}

function side(clock: Clock, control: MemoryChannel, pieces: MemoryChannel, speech = speechOf(undefined)): Side {
  const channel = new ControlChannel(control, unbounded())
  channel.open()
  channel.allowLargeFrames()
  const made: Omit<Side, 'link'> = {
    channel,
    control,
    pieces,
    messages: [],
    ends: [],
    calls: [],
    dropped: [],
    refused: 0,
  }
  const link = new Link(
    {
      peer: { key: 'peer', role: 'agent', region: 'r', zone: null, addresses: [] },
      speech,
      remote: undefined,
      direction: 'inbound',
      control: channel,
      pieces: new FramedPieceChannel(pieces),
    },
    {
      clock,
      logger: silentLogger,
      limits: { ...DEFAULT_SWARM_LIMITS.agent, maxRequests: 4 },
      upkeep: new Dispatcher({ addresses() {}, credential() {}, revocations() {} }),
      requestRefused: () => {
        made.refused++
      },
      dropped: (what) => made.dropped.push(what),
      ended: (_link, error) => made.ends.push(error),
      events: {
        linked() {},
        unlinked() {},
        message: (_link: PeerLink, name: string, body: unknown) => {
          if (name === 'leave') throw new Error('a fault of ours')
          made.messages.push(said(name, body))
        },
        request: (_link: PeerLink, name: string, _body: unknown, signal: AbortSignal) =>
          new Promise<Answer>((resolve) => {
            made.calls.push({ name, signal, answer: resolve })
          }),
      },
    },
  )
  link.start()
  return Object.assign(made, { link })
}

/** A frame by hand: what encodeFrame() would not write. */
function framed(body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}

function linked(leftHears = speechOf(undefined)): { clock: ManualClock; left: Side; right: Side } {
  const clock = new ManualClock()
  const [leftControl, rightControl] = MemoryChannel.pair()
  const [leftPieces, rightPieces] = MemoryChannel.pair()
  return { clock, left: side(clock, leftControl, leftPieces), right: side(clock, rightControl, rightPieces, leftHears) }
}

test('messages arrive in order, and what is sent in one turn leaves in one write', async () => {
  const { left, right } = linked()
  let writes = 0
  const receive = right.control.receive.bind(right.control)
  right.control.receive = (chunk) => {
    writes++
    receive(chunk)
  }
  for (let id = 0; id < 5; id++) left.link.send(transferMessages.cancel, { id })
  await settle()
  assert.deepEqual(
    right.messages.map((message) => (message.type === 'cancel' ? message.id : -1)),
    [0, 1, 2, 3, 4],
  )
  assert.equal(writes, 1)
})

test('a message handler that fails does not cost the link', async () => {
  const { left, right } = linked()
  left.link.send(transferMessages.leave, { blob: BLOB })
  left.link.send(transferMessages.cancel, { id: 1 })
  await settle()
  assert.equal(right.messages.length, 1)
  assert.deepEqual(right.ends, [])
})

test('calls are answered, each with its own answer', async () => {
  const { left, right } = linked()
  const first = left.link.request(blobRequests.stat, QUESTION, never)
  const second = left.link.request(blobRequests.stat, QUESTION, never)
  await settle()
  right.calls[1]?.answer({ kind: 'stat', size: 2 })
  right.calls[0]?.answer({ kind: 'stat', size: 1 })
  assert.deepEqual(await first, { kind: 'stat', size: 1 })
  assert.deepEqual(await second, { kind: 'stat', size: 2 })
})

test('what a peer does not understand is not sent to it, and a question is refused at once', async () => {
  const { left, right } = linked(speechOf(['cancel', 'shout']))
  right.link.send(transferMessages.part, { blob: BLOB })
  right.link.send(transferMessages.cancel, { id: 1 })
  assert.equal(right.link.speaks(transferMessages.part), false)
  const answer = await right.link.request(blobRequests.stat, QUESTION, never)
  await settle()
  assert.deepEqual(left.messages, [{ type: 'cancel', id: 1 }])
  assert.equal(answer.kind === 'refused' && answer.reason, 'unavailable')
  assert.deepEqual(right.dropped, [
    { direction: 'sent', kind: 'message', name: 'part' },
    { direction: 'sent', kind: 'call', name: 'stat' },
  ])
})

test('what a later version says is passed over, and its question is refused', async () => {
  const { left, right } = linked()
  const said: unknown[] = []
  left.control.receive = (chunk) => said.push(decode(chunk.subarray(4)))
  for (const frame of [
    { frame: 'shout' },
    { frame: 'message', message: { type: 'whisper', text: 'x' } },
    { frame: 'call', id: 9, name: 'guess', args: {} },
  ]) {
    left.control.write(framed(encode(frame)))
  }
  left.control.write(framed(Uint8Array.of(0x1f, 0)))
  left.link.send(transferMessages.cancel, { id: 1 })
  await settle()
  assert.deepEqual(right.ends, [])
  assert.deepEqual(right.messages, [{ type: 'cancel', id: 1 }])
  assert.deepEqual(
    right.dropped.map(({ direction, kind, name }) => `${direction} ${kind} ${name}`),
    ['received frame shout', 'received message whisper', 'received call guess', 'received message binary-31'],
  )
  const message = 'this host does not know the request'
  assert.deepEqual(said, [{ frame: 'answer', id: 9, result: { kind: 'refused', reason: 'unavailable', message } }])
})

test('a known message that is malformed ends the link', async () => {
  const { left, right } = linked()
  left.control.write(framed(encode({ frame: 'message', message: { type: 'part', blob: 'x' } })))
  await settle()
  assert.equal(right.ends[0]?.code, 'PEER_PROTOCOL')
})

test('an aborted call rejects with the reason and aborts the other side; its late answer is dropped', async () => {
  const { left, right } = linked()
  const controller = new AbortController()
  const call = left.link.request(blobRequests.stat, QUESTION, controller.signal)
  await settle()
  const reason = new Error('changed my mind')
  controller.abort(reason)
  await assert.rejects(call, reason)
  await settle()
  assert.ok(right.calls[0]?.signal.aborted)
  right.calls[0]?.answer({ kind: 'stat', size: 1 })
  await settle()
  assert.deepEqual([...left.ends, ...right.ends], [])
  await assert.rejects(left.link.request(blobRequests.stat, QUESTION, AbortSignal.abort(reason)), reason)
})

test('a call without an answer times out', async () => {
  const { clock, left } = linked()
  const call = left.link.request(blobRequests.stat, QUESTION, never)
  await settle()
  void pass(clock, 30_000)
  await assert.rejects(call, { code: 'UNAVAILABLE' })
})

test('an answer to an unknown id is ignored; one of the wrong kind ends the link', async () => {
  const { left } = linked()
  left.control.receive(encodeFrame({ frame: 'answer', id: 99, result: { kind: 'done' } }))
  assert.equal(left.ends.length, 0)
  const call = left.link.request(blobRequests.stat, QUESTION, never)
  await settle()
  left.control.receive(encodeFrame({ frame: 'answer', id: 1, result: { kind: 'done' } }))
  await assert.rejects(call, { code: 'PEER_GONE' })
  assert.deepEqual(
    left.ends.map((error) => error.code),
    ['PEER_PROTOCOL'],
  )
})

test('no more calls are in flight than allowed; the others follow as answers come', async () => {
  const { left, right } = linked()
  const calls = Array.from({ length: 10 }, () => left.link.request(blobRequests.stat, QUESTION, never))
  await settle()
  assert.equal(right.calls.length, 4)
  for (let size = 0; size < 10; size++) {
    right.calls[size]?.answer({ kind: 'stat', size })
    await settle()
  }
  assert.deepEqual(
    (await Promise.all(calls)).map((result) => (result.kind === 'stat' ? result.size : -1)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  assert.equal(right.refused, 0)
})

test('a peer that asks more at once is refused the rest, and one that reuses an id loses its link', async () => {
  const { right } = linked()
  const ask = (id: number): void =>
    right.control.receive(encodeFrame({ frame: 'call', id, name: 'stat', args: QUESTION }))
  for (let id = 1; id <= 6; id++) ask(id)
  assert.equal(right.calls.length, 4)
  assert.equal(right.refused, 2)
  ask(1)
  assert.equal(right.ends[0]?.code, 'PEER_PROTOCOL')
  for (const call of right.calls) assert.ok(call.signal.aborted)
})

test('the end of a link rejects what is pending, once, and later use does no harm', async () => {
  const { left, right } = linked()
  const call = left.link.request(blobRequests.stat, QUESTION, never)
  await settle()
  left.link.close('test')
  left.link.close('again')
  await assert.rejects(call, { code: 'PEER_GONE' })
  await assert.rejects(left.link.request(blobRequests.stat, QUESTION, never), { code: 'PEER_GONE' })
  assert.equal(await left.link.sendPiece(1, 1, new Uint8Array(1), never), false)
  left.link.send(transferMessages.cancel, { id: 1 })
  left.link.expect(1, { begin: () => undefined, progress() {}, end() {} })
  assert.equal(left.ends.length, 1)
  await settle()
  assert.equal(right.ends.length, 1, 'the piece channel ended, and with it the link on the other side')
})

test('an idle link stays up, by pings; a peer that has fallen silent loses its link after three intervals', async () => {
  const { clock, left, right } = linked()
  for (let i = 0; i < 10; i++) await pass(clock, 5_000)
  assert.deepEqual([...left.ends, ...right.ends], [])
  left.control.flowing = false
  right.control.flowing = false
  await pass(clock, 5_000)
  await pass(clock, 5_000)
  assert.equal(left.ends.length, 0)
  await pass(clock, 5_000)
  await pass(clock, 5_000)
  assert.equal(left.ends[0]?.code, 'PEER_GONE')
})

test('a link that speaks by channels alone stays up, and is lost when they fall silent', async () => {
  const { clock, left, right } = linked()
  const channels = [MemoryChannel.pair(), MemoryChannel.pair()] as const
  channels[0][1].open({ data: right.channel.continuation(), closed() {} })
  channels[1][1].open({ data: left.channel.continuation(), closed() {} })
  left.channel.moveTo(channels[0][0])
  right.channel.moveTo(channels[1][0])
  left.control.flowing = false
  right.control.flowing = false
  for (let i = 0; i < 10; i++) await pass(clock, 5_000)
  assert.deepEqual([...left.ends, ...right.ends], [])
  channels[0][0].flowing = false
  for (let i = 0; i < 4; i++) await pass(clock, 5_000)
  assert.equal(right.ends[0]?.code, 'PEER_GONE')
})

test('a process that was stopped for long does not blame its peers', async () => {
  const { clock, left, right } = linked()
  await pass(clock, 60_000)
  await pass(clock, 5_000)
  assert.deepEqual([...left.ends, ...right.ends], [])
})

test('bytes on the piece channel alone keep a link up', async () => {
  const { clock, left, right } = linked()
  right.control.flowing = false
  for (let i = 0; i < 5; i++) {
    await right.link.sendPiece(i, 0, new Uint8Array(10), never)
    await pass(clock, 5_000)
  }
  assert.equal(left.ends.length, 0)
})

test('a peer that does not read what it is sent loses its link before it costs much memory', async () => {
  const { left, right } = linked()
  left.control.flowing = false
  const runs = [{ first: 0, hashes: new Uint8Array(1024 * 1024) }]
  for (let i = 0; i < 40 && left.ends.length === 0; i++) {
    left.link.send(transferMessages.hashes, { blob: BLOB, size: 1, runs })
    await settle()
  }
  assert.equal(left.ends[0]?.code, 'PEER_PROTOCOL')
  assert.ok(left.control.pendingBytes < 35 * 1024 * 1024)
  assert.deepEqual(right.messages, [])
})

test('a peer that takes nothing of what waits for it loses its link, though it goes on talking', async () => {
  for (const channel of ['control', 'pieces'] as const) {
    const { clock, left, right } = linked()
    left[channel].flowing = false
    if (channel === 'control') left.link.send(transferMessages.cancel, { id: 1 })
    else void left.link.sendPiece(1, 0, new Uint8Array(10_000), never)
    for (let i = 0; i < 8 && left.ends.length === 0; i++) {
      right.link.send(transferMessages.cancel, { id: i })
      if (channel === 'control') await left.link.sendPiece(i, 0, new Uint8Array(10), never)
      await pass(clock, 5_000)
    }
    assert.deepEqual(
      left.ends.map(({ code, details }) => `${code} ${details.reason}`),
      ['PEER_PROTOCOL unread'],
      channel,
    )
  }
})

test('an introduction on a live link ends it', () => {
  const { left } = linked()
  left.control.receive(encodeFrame({ frame: 'hello', version: 1, proof: new Uint8Array(32) }))
  assert.equal(left.ends[0]?.code, 'PEER_PROTOCOL')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { connect } from 'node:tls'
import type { Clock } from '../../../src/base/clock.ts'
import { systemClock } from '../../../src/base/clock.ts'
import type { ShoalError } from '../../../src/base/errors.ts'
import type { ByteOutlet } from '../../../src/swarm/byte-channel.ts'
import { FramedPieceChannel } from '../../../src/swarm/framed-piece-channel.ts'
import { DEFAULT_SWARM_LIMITS } from '../../../src/swarm/index.ts'
import { PIECE_HEADER_BYTES } from '../../../src/swarm/piece-frame.ts'
import { makeSelfSigned } from '../../../src/swarm/self-signed.ts'
import { TlsPieceReader } from '../../../src/swarm/tls-piece-reader.ts'
import { TlsPieceWriter } from '../../../src/swarm/tls-piece-writer.ts'
import { TlsServer } from '../../../src/swarm/tls-server.ts'
import { chunkHead, creditRecord } from '../../../src/swarm/uplink-records.ts'
import { PIECE_TLS } from '../../../src/swarm/wire-limits.ts'
import { eventually } from '../../support/eventually.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { MemoryChannel } from './memory-channel.ts'
import { pass } from './pass.ts'
import { tlsOnPort } from './tls-on-port.ts'

const KIB = 1024
const MIB = 1024 * KIB
const never = new AbortController().signal
const [ours, theirs] = [makeSelfSigned(), makeSelfSigned()]

/** The side that sends pieces: a TLS server on a port, and the connection that somebody has made to it. */
interface Host extends AsyncDisposable {
  readonly port: number
  readonly tls: TlsServer
  readonly offer: { readonly certificate: Uint8Array; readonly token: Uint8Array }
  readonly writer: Promise<TlsPieceWriter>
  /** What has come up, as it was cut. */
  readonly control: Uint8Array[]
}

async function host(clock: Clock = systemClock): Promise<Host> {
  const limits = DEFAULT_SWARM_LIMITS.agent
  const tls = new TlsServer({ clock: systemClock, limits, refused: (problem) => assert.fail(problem) }, ours)
  const listening = await tlsOnPort(tls)
  const ticket = tls.ticket()
  const control: Uint8Array[] = []
  const { promise: writer, resolve } = Promise.withResolvers<TlsPieceWriter>()
  ticket.claim(theirs.fingerprint, (socket) => {
    resolve(new TlsPieceWriter(socket, { clock, control: (bytes) => control.push(bytes) }))
  })
  return {
    port: listening.port,
    tls,
    writer,
    offer: ticket.offer,
    control,
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  }
}

/** A reader of pieces made by hand: it says what a test wants. */
interface Guest {
  readonly socket: TLSSocket
  readonly received: () => number
  /** The other end, and why it has ended, once it has. */
  readonly writer: TlsPieceWriter
  readonly ends: (ShoalError | undefined)[]
}

async function guest(from: Host, windowBytes: number): Promise<Guest> {
  const identity = { key: theirs.key, cert: theirs.certificate, rejectUnauthorized: false }
  const socket = connect({ host: '127.0.0.1', port: from.port, ...identity, ALPNProtocols: [PIECE_TLS.alpn] })
  let received = 0
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  socket.write(Buffer.concat([from.offer.token, creditRecord(windowBytes)]))
  const writer = await from.writer
  return { socket, received: () => received - 1, writer, ends: [] }
}

/** Lets the guest in. */
function opened(made: Guest): Guest {
  made.writer.open({ data: () => assert.fail('pieces come up'), closed: (error) => made.ends.push(error) })
  return made
}

/** A real reader whose user is `receiver`: its inlet, and its uplink. */
async function reader(
  to: Host,
  windowBytes: number,
  receive: (inlet: TlsPieceReader) => void,
): Promise<{ inlet: TlsPieceReader; uplink: ByteOutlet }> {
  const limits = DEFAULT_SWARM_LIMITS.agent
  const tls = new TlsServer({ clock: systemClock, limits, refused() {} }, theirs)
  const { promise, resolve } = Promise.withResolvers<ByteOutlet>()
  const inlet = new TlsPieceReader(windowBytes, {
    opened: (uplink) => {
      receive(inlet)
      resolve(uplink)
    },
    refused: () => assert.fail('refused'),
  })
  const place = { host: '127.0.0.1', port: to.port }
  await tls.dial({ place, offer: to.offer }, inlet, AbortSignal.timeout(10_000))
  const writer = await to.writer
  writer.open({ data() {}, closed() {} })
  return { inlet, uplink: await promise }
}

/** A piece channel that sends by `writer` alone. */
function sending(writer: TlsPieceWriter): { channel: FramedPieceChannel; failures: (Error & { code?: string })[] } {
  const channel = new FramedPieceChannel(MemoryChannel.pair()[0], { hold: true })
  const failures: Error[] = []
  channel.open({ failed: (error) => failures.push(error) })
  channel.sendThrough(writer)
  return { channel, failures }
}

/** What has become of a promise by now. */
function watched(promise: Promise<boolean>): () => boolean | undefined {
  let answer: boolean | undefined
  void promise.then((value) => {
    answer = value
  })
  return () => answer
}

test('a writer sends no more than the reader takes, has drained when it has sent all, and knows when all is taken', async () => {
  await using from = await host()
  const { writer, socket, received } = opened(await guest(from, 100 * KIB))
  writer.write(new Uint8Array(250 * KIB))
  const [drained, arrived] = [watched(writer.drained()), watched(writer.arrived())]
  await eventually('the window', () => received() === 100 * KIB)
  assert.equal(writer.pendingBytes, 150 * KIB)
  socket.write(creditRecord(100 * KIB))
  await eventually('the window again', () => received() === 200 * KIB)
  assert.equal(drained(), undefined)
  socket.write(creditRecord(100 * KIB))
  await eventually('the drain', drained)
  await eventually('the rest', () => received() === 250 * KIB)
  assert.equal(arrived(), undefined)
  socket.write(creditRecord(50 * KIB))
  await eventually('the arrival', arrived)
  assert.equal(await writer.arrived(), true)
})

for (const [name, windowBytes, said] of [
  ['takes more than anybody may', PIECE_TLS.maxWindowBytes + 1, Buffer.of()],
  ['has taken more than it was sent', KIB, creditRecord(100 * KIB)],
  ['sends a chunk that is too long', KIB, chunkHead(PIECE_TLS.maxChunkBytes + 1)],
  ['sends zeros', KIB, Buffer.alloc(4)],
] as const) {
  test(`a reader that ${name} is closed for it`, async () => {
    await using from = await host()
    const made = await guest(from, windowBytes)
    const { channel, failures } = sending(made.writer)
    const sent = channel.send(1, 1, new Uint8Array(10), never)
    made.socket.write(said)
    await eventually('the end of the connection', () => made.socket.destroyed)
    assert.equal(await sent, false)
    assert.deepEqual(
      failures.map((error) => error.code),
      ['PEER_PROTOCOL'],
    )
  })
}

test('a piece counts as sent once the reader has taken it, and the next ones leave before that', async () => {
  await using from = await host()
  const { writer, socket, received } = await guest(from, MIB)
  const { channel } = sending(writer)
  const bytes = new Uint8Array(100 * KIB)
  const sent = [1, 2, 3].map((id) => watched(channel.send(id, id, bytes, never)))
  const whole = PIECE_HEADER_BYTES + bytes.length
  await eventually('all three', () => received() === 3 * whole)
  assert.deepEqual(
    sent.map((answer) => answer()),
    [undefined, undefined, undefined],
  )
  assert.equal(channel.queued, 3)
  socket.write(creditRecord(whole - 1))
  socket.write(Buffer.concat([creditRecord(1), creditRecord(whole)]))
  await eventually('the second', sent[1]!)
  assert.deepEqual([sent[0]!(), sent[2]!()], [true, undefined])
  socket.destroy()
  await eventually('the end', () => sent[2]!() === false)
})

test('a reader that does not read keeps its piece pending, however much the kernels would take', async () => {
  await using from = await host()
  const { writer, socket } = await guest(from, 4 * MIB)
  socket.pause()
  const { channel } = sending(writer)
  const sent = watched(channel.send(1, 1, new Uint8Array(KIB), never))
  await writer.drained()
  const later = watched(channel.send(2, 2, new Uint8Array(KIB), never))
  await writer.drained()
  assert.deepEqual([sent(), later()], [undefined, undefined])
  socket.destroy()
  await eventually('the end', () => sent() === false && later() === false)
})

test('a reader acknowledges the end of every piece, smaller or larger than its window', async () => {
  await using from = await host()
  const limits = DEFAULT_SWARM_LIMITS.agent
  const tls = new TlsServer({ clock: systemClock, limits, refused() {} }, theirs)
  const receiving = new FramedPieceChannel(MemoryChannel.pair()[0])
  receiving.open({ failed: () => assert.fail('the channel has ended') })
  const inlet = new TlsPieceReader(64 * KIB, { opened: () => receiving.receiveFrom(inlet), refused() {} })
  const place = { host: '127.0.0.1', port: from.port }
  await tls.dial({ place, offer: from.offer }, inlet, AbortSignal.timeout(10_000))
  const { channel } = sending(await from.writer)
  const taken: number[] = []
  for (const length of [1, 1000, 0, 300 * KIB]) {
    const begin = (_piece: number, size: number): Uint8Array => new Uint8Array(size)
    receiving.expect(length, { begin, progress() {}, end: () => taken.push(length) })
    assert.equal(await channel.send(length, 1, new Uint8Array(length), never), true)
    assert.equal(taken.at(-1), length)
  }
  // Nobody expects this one: it is taken as well.
  assert.equal(await channel.send(9, 1, new Uint8Array(10), never), true)
  receiving.close()
})

test('control bytes come up in order, in one piece what was written in one turn', async () => {
  await using from = await host()
  const { uplink } = await reader(from, MIB, (inlet) => inlet.open({ data() {}, closed() {} }))
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 4; i++) uplink.write(Uint8Array.of(round, i))
    await eventually('a round', () => from.control.length === round + 1)
  }
  assert.deepEqual(
    from.control.map((bytes) => [...bytes]),
    [0, 1, 2].map((round) => [round, 0, round, 1, round, 2, round, 3]),
  )
})

test('a large control frame holds up credit by a chunk, and arrives whole', async () => {
  await using from = await host()
  let received = 0
  const { inlet, uplink } = await reader(from, MIB, (opened) =>
    opened.open({
      data: (chunk) => {
        received += chunk.length
      },
      closed() {},
    }),
  )
  const writer = await from.writer
  writer.write(new Uint8Array(KIB))
  await eventually('the kilobyte', () => received === KIB)
  const frame = Uint8Array.from({ length: 5 * MIB }, (_, i) => i % 253)
  const controlBytes = (): number => from.control.reduce((sum, bytes) => sum + bytes.length, 0)
  uplink.write(frame)
  // The first chunk leaves at the end of this turn; before the transport has taken it, the kilobyte is taken.
  queueMicrotask(() => inlet.acknowledge())
  const before = await writer.arrived().then(controlBytes)
  assert.ok(before < 2 * PIECE_TLS.maxChunkBytes, `${before} bytes came before the credit`)
  await eventually('the frame', () => controlBytes() === frame.length)
  assert.equal(Buffer.compare(Buffer.concat(from.control), frame), 0)
})

test('a channel whose reader takes nothing for long is given up; one that takes little is not', async () => {
  const clock = new ManualClock()
  await using from = await host(clock)
  const made = opened(await guest(from, 10))
  await pass(clock, 1_000_000)
  made.writer.write(new Uint8Array(20))
  await eventually('the window', () => made.received() === 10)
  for (let i = 0; i < 5; i++) {
    made.socket.write(Buffer.concat([creditRecord(1), chunkHead(1), Buffer.of(i)]))
    await eventually('a byte', () => made.received() === 11 + i && from.control.length === 1 + i)
    await pass(clock, 30_000)
  }
  assert.deepEqual(made.ends, [])
  // What it says besides does not count.
  made.socket.write(Buffer.concat([chunkHead(1), Buffer.of(9)]))
  await eventually('what it says', () => from.control.length === 6)
  await pass(clock, 30_000)
  assert.equal(made.ends.length, 1)
  assert.equal(await made.writer.arrived(), false)
})

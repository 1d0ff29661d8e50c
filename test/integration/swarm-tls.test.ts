import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { addressText } from '../../src/base/address.ts'
import { blobRequests } from '../../src/blob/index.ts'
import type { PeerLink, SwarmOptions } from '../../src/swarm/index.ts'
import { makeSelfSigned } from '../../src/swarm/self-signed.ts'
import { PIECE_TLS } from '../../src/swarm/wire-limits.ts'
import { transferMessages } from '../../src/transfer/index.ts'
import { addressOf } from '../support/address-of.ts'
import type { TestHost } from './swarm-support.ts'
import { GatheringSink, soon, TestFleet, until } from './swarm-support.ts'

const MIB = 1024 * 1024
const never = new AbortController().signal

/** Passes connections on, except those that begin like TLS where it is told so. */
interface Middlebox extends AsyncDisposable {
  readonly address: string
  readonly tlsSeen: number
  /** What diallers have sent by connections that are not TLS, read or not. */
  readonly otherBytes: number
  /** What diallers send by those waits from here on, until it is let through. */
  holdOthers(): void
  releaseOthers(): void
  cutTls(): void
}

async function middlebox(target: string, tls: 'close' | 'swallow' | 'pass'): Promise<Middlebox> {
  const sockets = new Set<Socket>()
  const tlsSockets = new Set<Socket>()
  const others = new Map<Socket, Socket>()
  let tlsSeen = 0
  const server = createServer((near) => {
    sockets.add(near)
    near.on('error', () => {})
    near.once('data', (first) => {
      if (first[0] === 0x16) {
        tlsSeen++
        tlsSockets.add(near)
        if (tls === 'close') near.destroy()
        if (tls !== 'pass') return
      }
      const far = connect(Number(target.split(':')[1]), '127.0.0.1')
      sockets.add(far)
      far.on('error', () => near.destroy())
      far.write(first)
      near.pipe(far).pipe(near)
      if (!tlsSockets.has(near)) others.set(near, far)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  // AddressInfo: it listens on a port.
  const { port } = server.address() as AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    get tlsSeen() {
      return tlsSeen
    },
    get otherBytes() {
      return [...others.keys()].reduce((sum, socket) => sum + socket.bytesRead, 0)
    },
    holdOthers() {
      for (const [near, far] of others) near.unpipe(far)
    },
    releaseOthers() {
      for (const [near, far] of others) near.pipe(far)
    },
    cutTls() {
      for (const socket of tlsSockets) socket.destroy()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Nobody listens there just now. */
async function freeAddress(): Promise<string> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `127.0.0.1:${port}`
}

async function pair(
  fleet: TestFleet,
  left: Partial<SwarmOptions>,
  right: Partial<SwarmOptions> = left,
): Promise<{ hosts: [TestHost, TestHost]; links: [PeerLink, PeerLink] }> {
  const hosts: [TestHost, TestHost] = [await fleet.host(left), await fleet.host(right)]
  const link = await hosts[0].swarm.connect(hosts[1].swarm.self, soon())
  await until(() => hosts[1].swarm.links.size === 1, 'the other side')
  return { hosts, links: [link, [...hosts[1].swarm.links.values()][0]!] }
}

async function sendOne(from: PeerLink, to: PeerLink, id: number): Promise<void> {
  const bytes = new Uint8Array(randomBytes(MIB))
  const sink = new GatheringSink()
  to.expect(id, sink)
  assert.equal(await from.sendPiece(id, id, bytes, never), true)
  assert.deepEqual(await sink.done, bytes)
}

test('each side receives its pieces over a TLS connection of its own, once it wants any', async () => {
  await using fleet = await TestFleet.create()
  const { hosts, links } = await pair(fleet, { pieceChannel: 'tls' })
  await sendOne(links[0], links[1], 1)
  assert.equal(hosts[1].metrics.pieceChannels.get('tls/ok'), 1)
  assert.equal(hosts[0].metrics.pieceChannels.size, 0, 'the sender wants none')
  await sendOne(links[1], links[0], 2)
  await sendOne(links[1], links[0], 3)
  assert.equal(hosts[0].metrics.pieceChannels.get('tls/ok'), 1, 'one connection for all pieces')
  for (const host of hosts) assert.deepEqual(host.logger.warnings, [])
})

test('the end of a link ends its TLS connections, and stopping ends all', async () => {
  await using fleet = await TestFleet.create()
  const { hosts, links } = await pair(fleet, { pieceChannel: 'tls' })
  await sendOne(links[0], links[1], 1)
  links[0].close('next')
  await until(() => hosts[1].swarm.links.size === 0, 'the other side')
  const again = await hosts[0].swarm.connect(hosts[1].swarm.self, soon())
  await until(() => hosts[1].swarm.links.size === 1, 'the other side')
  await sendOne(again, [...hosts[1].swarm.links.values()][0]!, 2)
  assert.equal(hosts[1].metrics.pieceChannels.get('tls/ok'), 2)
  await hosts[0].swarm[Symbol.asyncDispose]()
  await until(() => hosts[1].swarm.links.size === 0, 'the end')
})

test('with a peer that does without TLS, pieces go by the stream both ways', async () => {
  await using fleet = await TestFleet.create()
  const { hosts, links } = await pair(fleet, { pieceChannel: 'auto' }, { pieceChannel: 'stream' })
  await sendOne(links[0], links[1], 1)
  await sendOne(links[1], links[0], 2)
  for (const { metrics } of hosts) assert.deepEqual([...metrics.pieceChannels], [['stream/ok', 1]])
})

test('a host that insists on TLS ends the link to a peer without, once there are pieces', async () => {
  await using fleet = await TestFleet.create()
  const { hosts, links } = await pair(fleet, { pieceChannel: 'tls' }, { pieceChannel: 'stream' })
  links[0].expect(1, new GatheringSink())
  await until(() => hosts[0].swarm.links.size === 0, 'the end')
  // The same when pieces are wanted before the link is quite made.
  hosts[0].events.onLinked = (link) => link.expect(1, new GatheringSink())
  const again = await hosts[0].swarm.connect(hosts[1].swarm.self, soon())
  await until(() => hosts[0].events.unlinkedPeers.includes(again), 'the end')
})

for (const tls of ['close', 'swallow'] as const) {
  test(`where TLS connections are met with "${tls}", pieces arrive by the stream, and it is counted`, async () => {
    await using fleet = await TestFleet.create()
    const listen = addressOf(await freeAddress())
    await using box = await middlebox(addressText(listen), tls)
    const behind = await fleet.host({ listen, announce: [box.address] })
    const reader = await fleet.host()
    const link = await reader.swarm.connectAddress(box.address, soon())
    await until(() => behind.swarm.links.size === 1, 'the other side')
    const sender = [...behind.swarm.links.values()][0]!
    await sendOne(sender, link, 1)
    await until(() => reader.metrics.pieceChannels.get('stream/fallback') === 1, 'the fallback')
    await sendOne(sender, link, 2)
    assert.equal(box.tlsSeen, 1, 'tried once')
    assert.equal(reader.metrics.pieceChannels.get('tls/failed') ?? reader.metrics.pieceChannels.get('tls/refused'), 1)
    assert.deepEqual(reader.logger.warnings, [])
    // The other way there is nothing in between.
    await sendOne(link, sender, 3)
    await until(() => behind.metrics.pieceChannels.get('tls/ok') === 1, 'TLS the other way')
  })
}

/** A link through a box that passes everything: `near` has dialled `behind`. */
async function boxedPair(fleet: TestFleet) {
  const listen = addressOf(await freeAddress())
  const box = await middlebox(addressText(listen), 'pass')
  const behind = await fleet.host({ listen, announce: [box.address], pieceChannel: 'tls' })
  const near = await fleet.host({ pieceChannel: 'tls' })
  const link = await near.swarm.connectAddress(box.address, soon())
  await until(() => behind.swarm.links.size === 1, 'the other side')
  return { box, hosts: [near, behind], links: [link, [...behind.swarm.links.values()][0]!] } as const
}

function cancelled({ events }: TestHost): number[] {
  return events.messages.map((message) => (message.type === 'cancel' ? message.id : -1))
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

test('messages keep their order while both ways move to TLS, under load', async () => {
  await using fleet = await TestFleet.create()
  const { hosts, links } = await pair(fleet, { pieceChannel: 'auto' })
  const pieces: Promise<void>[] = []
  for (let id = 0; id < 3000; id++) {
    for (const link of links) link.send(transferMessages.cancel, { id })
    if (id === 300) pieces.push(sendOne(links[0], links[1], 1))
    if (id === 600) pieces.push(sendOne(links[1], links[0], 2))
    if (id % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(pieces)
  for (const host of hosts) {
    await until(() => host.events.messages.length === 3000, 'all messages')
    assert.deepEqual(cancelled(host), upTo(3000))
    assert.equal(host.metrics.pieceChannels.get('tls/ok'), 1)
  }
})

test('what is said over TLS waits for what was said before, however late that comes', async () => {
  await using fleet = await TestFleet.create()
  const { box, hosts, links } = await boxedPair(fleet)
  await using _box = box
  box.holdOthers()
  for (let id = 0; id < 10; id++) links[0].send(transferMessages.cancel, { id })
  await sendOne(links[1], links[0], 1)
  await until(() => hosts[0].metrics.pieceChannels.get('tls/ok') === 1, 'TLS')
  for (let id = 10; id < 20; id++) links[0].send(transferMessages.cancel, { id })
  // The end of this piece is told by the way that the messages went: they are there.
  await sendOne(links[1], links[0], 2)
  assert.deepEqual(cancelled(hosts[1]), [])
  box.releaseOthers()
  await until(() => hosts[1].events.messages.length === 20, 'the messages')
  assert.deepEqual(cancelled(hosts[1]), upTo(20))
})

test('once a side receives pieces over TLS, its messages, calls and answers leave by it, and by nothing else', async () => {
  await using fleet = await TestFleet.create()
  const { box, hosts, links } = await boxedPair(fleet)
  await using _box = box
  hosts[1].events.answer = async () => ({ kind: 'stat', size: 1 })
  await sendOne(links[1], links[0], 1)
  await until(() => hosts[0].metrics.pieceChannels.get('tls/ok') === 1, 'TLS')
  const stat = { upstream: 'docker.io', repository: 'a/b', digest: `sha256:${'ab'.repeat(32)}` as never }
  assert.deepEqual(await links[0].request(blobRequests.stat, stat, soon()), { kind: 'stat', size: 1 })
  const bytesBefore = box.otherBytes
  const blob = `sha256:${'ab'.repeat(32)}` as never
  for (let i = 0; i < 200; i++) {
    links[0].send(transferMessages.bitfield, { blob, size: 1, bits: new Uint8Array(1024), queue: i })
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => hosts[1].events.messages.length === 200, 'the messages')
  assert.ok(box.otherBytes - bytesBefore < 20_000, `${box.otherBytes - bytesBefore} bytes went by the stream`)
})

test('the end of a TLS connection that was accepted is the end of the link, on both sides', async () => {
  await using fleet = await TestFleet.create()
  const { box, hosts, links } = await boxedPair(fleet)
  await using _box = box
  await sendOne(links[1], links[0], 1)
  await until(() => hosts[0].metrics.pieceChannels.get('tls/ok') === 1, 'TLS')
  await sendOne(links[1], links[0], 2)
  box.cutTls()
  for (const host of hosts) {
    await until(() => host.events.unlinkedPeers.length === 1, 'the end')
    assert.deepEqual(host.logger.warnings, [])
  }
})

test('strangers that speak TLS to the port are closed without a byte, and members served on', async () => {
  await using fleet = await TestFleet.create()
  const { hosts, links } = await pair(fleet, { pieceChannel: 'auto' })
  const port = Number(hosts[0].address.split(':')[1])
  const { key, certificate } = makeSelfSigned()
  const received: number[] = []
  for (const greeting of [Buffer.alloc(PIECE_TLS.tokenBytes + 4, 1), randomBytes(40_000), Buffer.of()]) {
    const options = { host: '127.0.0.1', port, key, cert: certificate, rejectUnauthorized: false }
    const socket = connectTls({ ...options, ALPNProtocols: [PIECE_TLS.alpn] })
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => received.push(chunk.length))
    socket.write(greeting)
    await new Promise((resolve) => socket.once('close', resolve))
  }
  const garbage = connect(port, '127.0.0.1')
  garbage.on('error', () => {})
  garbage.write(Buffer.concat([Buffer.of(0x16), randomBytes(5_000)]))
  garbage.resume()
  await new Promise((resolve) => garbage.once('close', resolve))
  assert.deepEqual(received, [])
  assert.ok((hosts[0].metrics.pieceChannels.get('tls/refused') ?? 0) >= 3)
  assert.equal(hosts[0].metrics.refusals.get('timeout'), 1)
  assert.deepEqual(hosts[0].logger.warnings, [])
  await sendOne(links[0], links[1], 1)
  assert.equal(hosts[0].swarm.links.size, 1)
})

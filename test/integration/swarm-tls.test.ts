import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import type { PeerLink, SwarmOptions } from '../../src/swarm/index.ts'
import { makeSelfSigned } from '../../src/swarm/self-signed.ts'
import { PIECE_TLS } from '../../src/swarm/wire-limits.ts'
import type { TestHost } from './swarm-support.ts'
import { GatheringSink, soon, TestFleet, until } from './swarm-support.ts'

const MIB = 1024 * 1024
const never = new AbortController().signal

/** Passes connections on, except those that begin like TLS. */
interface Middlebox extends AsyncDisposable {
  readonly address: string
  readonly tlsSeen: number
}

async function middlebox(target: string, tls: 'close' | 'swallow'): Promise<Middlebox> {
  const sockets = new Set<Socket>()
  let tlsSeen = 0
  const server = createServer((near) => {
    sockets.add(near)
    near.on('error', () => {})
    near.once('data', (first) => {
      if (first[0] === 0x16) {
        tlsSeen++
        if (tls === 'close') near.destroy()
        return
      }
      const far = connect(Number(target.split(':')[1]), '127.0.0.1')
      sockets.add(far)
      far.on('error', () => near.destroy())
      far.write(first)
      near.pipe(far).pipe(near)
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
    const listen = await freeAddress()
    await using box = await middlebox(listen, tls)
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

test('strangers that speak TLS to the port are closed without a byte, and members served on', async () => {
  await using fleet = await TestFleet.create()
  const { hosts, links } = await pair(fleet, { pieceChannel: 'auto', limits: { handshakeTimeoutMs: 500 } })
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
  assert.ok((hosts[0].metrics.pieceChannels.get('tls/refused') ?? 0) >= 4)
  assert.deepEqual(hosts[0].logger.warnings, [])
  await sendOne(links[0], links[1], 1)
  assert.equal(hosts[0].swarm.links.size, 1)
})

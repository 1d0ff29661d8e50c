import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { encode } from 'cborg'
import { seededRng } from '../../src/base/rng.ts'
import { agentKeyOf, DEFAULT_SWARM_LIMITS, generateFleetKey } from '../../src/swarm/index.ts'
import type { Frame, ReceivedFrame } from '../../src/swarm/wire.ts'
import { encodeFrame } from '../../src/swarm/wire.ts'
import { PROTOCOL_VERSION } from '../../src/swarm/wire-limits.ts'
import { transferMessages } from '../../src/transfer/index.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { frameOf, read } from '../support/said.ts'
import { framed, HostilePeer } from './swarm-hostile.ts'
import type { TestHost } from './swarm-support.ts'
import { soon, TestFleet, until } from './swarm-support.ts'

const BLOB = `sha256:${'ab'.repeat(32)}`

/** The host still takes a proper member, and nothing but expected warnings was logged. */
async function stillServes(fleet: TestFleet, host: TestHost): Promise<void> {
  const member = await fleet.host()
  const link = await member.swarm.connect(host.swarm.self, soon())
  link.send(transferMessages.cancel, { id: 77 })
  await until(() => host.events.messages.some((message) => message.type === 'cancel' && message.id === 77), 'a message')
  for (const warning of host.logger.warnings) assert.match(warning, /^a peer (was refused|broke the protocol)/)
}

test('a host with another fleet key, or with none, is refused on both sides and carries no message', async () => {
  await using fleet = await TestFleet.create()
  const ours = await fleet.host({ fleetKey: generateFleetKey() })
  const theirs = await fleet.host({ fleetKey: generateFleetKey() })
  const keyless = await fleet.host()
  for (const stranger of [theirs, keyless]) {
    await assert.rejects(stranger.swarm.connect(ours.swarm.self, soon()), { code: 'PEER_REFUSED' })
    await assert.rejects(ours.swarm.connectAddress(stranger.address, soon()), { code: 'PEER_REFUSED' })
  }
  for (const host of [ours, theirs, keyless]) {
    assert.equal(host.swarm.links.size, 0)
    assert.equal(host.events.linkedPeers.length, 0)
    assert.equal(host.events.messages.length, 0)
  }
  assert.ok((ours.metrics.refusals.get('stranger') ?? 0) >= 2)
  // once, however often they dial
  const [line, ...more] = ours.logger.warnings
  assert.match(
    line ?? '',
    /^a peer was refused .*"reason":"stranger","problem":"the peer holds no key of this fleet","remedy":/,
  )
  assert.deepEqual(more, [])
})

test('a stranger learns nothing but a proof made for it alone', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host({ fleetKey: generateFleetKey(), region: 'secret-region' })
  await using stranger = await HostilePeer.create()
  await stranger.dial(host.address)
  stranger.introduce(host.swarm.self.key)
  await until(() => stranger.closed, 'the end')
  const received = Buffer.concat(stranger.received)
  assert.ok(!received.includes('secret-region'))
  const frames: ReceivedFrame['frame'][] = []
  for (let offset = 0; offset < received.length; ) {
    const length = received.readUInt32BE(offset)
    frames.push(read(received.subarray(offset + 4, offset + 4 + length)).frame)
    offset += 4 + length
  }
  assert.deepEqual(frames, ['hello', 'bye'])
})

test('an agent that claims to be a cache is refused', async () => {
  await using fleet = await TestFleet.create()
  const key = generateFleetKey()
  const host = await fleet.host({ fleetKey: key })
  for (const roleProof of [undefined, new Uint8Array(64)]) {
    await using liar = await HostilePeer.create(agentKeyOf(key))
    await liar.dial(host.address)
    liar.introduce(host.swarm.self.key)
    await until(() => host.swarm.links.size === 1, 'an honest agent is welcome')
    host.swarm.links.get(liar.key)?.close('next')
    await until(() => liar.closed, 'the end')
    await using again = await HostilePeer.create(agentKeyOf(key))
    await again.dial(host.address)
    again.claimCache(host.swarm.self.key, roleProof)
    await until(() => again.closed, 'the end')
    assert.equal(host.swarm.links.size, 0)
  }
  assert.equal(host.metrics.refusals.get('role'), 2)
})

test('a dialled peer that is a stranger, of another version, or silent is PEER_REFUSED', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  const impatient = await fleet.host({ limits: { handshakeTimeoutMs: 500 } })
  const answers: (readonly [string, TestHost, Frame | undefined])[] = [
    ['stranger', host, { frame: 'hello', version: PROTOCOL_VERSION, proof: new Uint8Array(32) }],
    ['version', host, { frame: 'hello', version: PROTOCOL_VERSION + 1, proof: new Uint8Array(32) }],
    ['timeout', impatient, undefined],
  ]
  for (const [reason, dialler, answer] of answers) {
    await using peer = await HostilePeer.create()
    await peer.listen((stream) => {
      if (answer !== undefined) stream.send(encodeFrame(answer))
    })
    await assert.rejects(dialler.swarm.connectAddress(peer.address, soon()), { code: 'PEER_REFUSED' }, reason)
    assert.equal(dialler.metrics.refusals.get(reason), 1, reason)
  }
  await using foreign = await HostilePeer.create()
  await assert.rejects(host.swarm.connectAddress(foreign.address, soon()), { code: 'PEER_REFUSED' }, 'another protocol')
  await stillServes(fleet, host)
})

test('a peer that connects and says nothing is cut off in time', async () => {
  await using fleet = await TestFleet.create()
  const clock = new ManualClock()
  const host = await fleet.host({}, { clock })
  await using peer = await HostilePeer.create()
  await peer.dial(host.address)
  const isOver = (closed: () => boolean) => (): boolean => {
    clock.advance(1_000)
    return closed()
  }
  await until(
    isOver(() => peer.closed),
    'the end',
  )
  assert.equal(host.metrics.peers().get('unknown/handshake'), 0)
  const socket = connect({ host: '127.0.0.1', port: Number(host.address.split(':')[1]) })
  socket.on('error', () => {}).resume()
  await until(
    isOver(() => socket.closed),
    'the end of a connection that never spoke',
  )
  await stillServes(fleet, host)
})

test('hostile first bytes end the connection, and only that', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  const huge = Buffer.from('ffffffff', 'hex')
  const rng = seededRng(5)
  const noise = (): Uint8Array => Uint8Array.from({ length: 5000 }, () => rng.below(256))
  const inputs: readonly (readonly [string, Uint8Array])[] = [
    ['a huge length', huge],
    ['a length beyond a hello', Buffer.concat([Buffer.from('00002001', 'hex'), noise()])],
    ['length zero', Buffer.from('00000000', 'hex')],
    ['noise', noise()],
    ['bad CBOR', Buffer.concat([Buffer.from('00000004', 'hex'), Buffer.from('deadbeef', 'hex')])],
    ['a message before the hello', encodeFrame(frameOf({ type: 'cancel', id: 1 }))],
    [
      'a call before the hello',
      encodeFrame({ frame: 'call', id: 1, name: 'tags', args: { upstream: 'a.b', repository: 'c' } }),
    ],
    [
      'an about before the hello',
      encodeFrame({ frame: 'about', role: 'agent', region: 'r', zone: null, addresses: [], software: 's' }),
    ],
  ]
  for (const [name, bytes] of inputs) {
    await using peer = await HostilePeer.create()
    await peer.dial(host.address)
    peer.send(bytes)
    await until(() => peer.closed, name)
    assert.equal(host.events.linkedPeers.length, 0, name)
  }
  assert.equal(host.events.messages.length, 0)
  assert.ok((host.metrics.refusals.get('protocol') ?? 0) >= inputs.length - 1)
  await stillServes(fleet, host)
})

test('a member that breaks the protocol loses its link, and nobody else does', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  const neighbour = await fleet.host()
  const kept = await neighbour.swarm.connect(host.swarm.self, soon())
  const rng = seededRng(6)
  const inputs: readonly (readonly [string, Uint8Array])[] = [
    ['a frame above the limit', Buffer.from('00500001', 'hex')],
    ['noise', Uint8Array.from({ length: 2000 }, () => rng.below(256))],
    ['a second hello', encodeFrame({ frame: 'hello', version: PROTOCOL_VERSION, proof: new Uint8Array(32) })],
    [
      'a message out of bounds',
      Buffer.from(
        encodeFrame(frameOf({ type: 'request', id: 1, blob: BLOB as never, piece: 2 ** 31, background: false })),
      ),
    ],
    ['deep nesting', Buffer.concat([Buffer.from('00010000', 'hex'), Buffer.alloc(65_536, 0xa1)])],
  ]
  for (const [name, bytes] of inputs) {
    await using peer = await HostilePeer.create()
    await peer.dial(host.address)
    peer.introduce(host.swarm.self.key)
    await until(() => host.swarm.links.has(peer.key), 'the link')
    peer.send(bytes)
    await until(() => !host.swarm.links.has(peer.key) && peer.closed, name)
  }
  assert.equal(host.events.unlinkedPeers.length, inputs.length)
  assert.equal(host.swarm.links.size, 1)
  kept.send(transferMessages.cancel, { id: 1 })
  await stillServes(fleet, host)
})

test('an idle member is pinged, and unlinked when it says nothing', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host({ limits: { pingIntervalMs: 50 } })
  await using peer = await HostilePeer.create()
  await peer.dial(host.address)
  peer.introduce(host.swarm.self.key)
  await until(() => host.events.unlinkedPeers.length === 1, 'the end')
  const ping = Buffer.from(encodeFrame({ frame: 'ping' }))
  assert.ok(Buffer.concat(peer.received).includes(ping))
  assert.equal(host.metrics.refusals.get('protocol'), undefined)
})

test('a second connection of a member gives way to a young link, and replaces an old one', async () => {
  await using fleet = await TestFleet.create()
  const clock = new ManualClock()
  const host = await fleet.host({}, { clock })
  await using peer = await HostilePeer.create()
  await peer.dial(host.address)
  peer.introduce(host.swarm.self.key)
  await until(() => host.swarm.links.has(peer.key), 'the link')
  const first = peer.connection
  await peer.dial(host.address)
  peer.introduce(host.swarm.self.key)
  await until(() => peer.closed, 'the second connection')
  assert.equal(first?.status, 'open')
  assert.equal(host.events.linkedPeers.length, 1)
  assert.equal(host.metrics.refusals.get('duplicate'), 1)
  clock.advance(DEFAULT_SWARM_LIMITS.agent.handshakeTimeoutMs + 1)
  await peer.dial(host.address)
  peer.introduce(host.swarm.self.key)
  await until(() => host.events.linkedPeers.length === 2, 'the new link')
  assert.equal(host.events.unlinkedPeers[0], host.events.linkedPeers[0])
  await until(() => first?.status !== 'open', 'the end of the old connection')
  assert.ok(!peer.closed)
})

test('hostile bytes on the piece stream end the link', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  await using peer = await HostilePeer.create()
  await peer.dial(host.address)
  peer.introduce(host.swarm.self.key)
  await until(() => host.swarm.links.has(peer.key), 'the link')
  peer.pieces?.send(Buffer.alloc(12, 0xff))
  await until(() => !host.swarm.links.has(peer.key), 'the end')
  await stillServes(fleet, host)
})

test('bytes on the piece stream before the handshake are not acted on', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  await using peer = await HostilePeer.create()
  await peer.dial(host.address)
  for (let i = 0; i < 64 && peer.pieces?.status === 'open'; i++) peer.pieces.send(new Uint8Array(65_536))
  await until(() => peer.closed, 'the end')
  assert.equal(host.events.linkedPeers.length, 0)
  await stillServes(fleet, host)
})

test('random bytes on the port, without any libp2p, do no harm', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  const rng = seededRng(7)
  const port = Number(host.address.split(':')[1])
  for (let i = 0; i < 10; i++) {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', () => {})
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.end(Uint8Array.from({ length: 1 + rng.below(3000) }, () => rng.below(256)))
    socket.resume()
    await closed
  }
  await stillServes(fleet, host)
})

test('a member of another version keeps its link, whatever it says that is not known here', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  await using later = await HostilePeer.create()
  await later.dial(host.address)
  later.introduce(host.swarm.self.key, ['cancel', 'shout'])
  await until(() => host.swarm.links.has(later.key), 'the link')
  const link = host.swarm.links.get(later.key)
  assert.deepEqual([link?.speaks(transferMessages.cancel), link?.speaks(transferMessages.leave)], [true, false])
  for (let again = 0; again < 3; again++) {
    for (const frame of [
      { frame: 'shout' },
      // of 0.1.0
      { frame: 'message', message: { type: 'accuse', blob: BLOB, piece: 0, peer: later.key } },
      { frame: 'call', id: again, name: 'guess' },
    ]) {
      later.send(framed(encode(frame)))
    }
  }
  later.say(frameOf({ type: 'cancel', id: 7 }))
  await until(() => host.events.messages.length > 0, 'what is known')
  assert.deepEqual(host.events.messages, [{ type: 'cancel', id: 7 }])
  assert.deepEqual(
    [...host.metrics.dropped],
    [
      ['received/frame', 3],
      ['received/message', 3],
      ['received/call', 3],
    ],
  )
  assert.equal(host.logger.infos.filter((line) => line.includes('another version')).length, 3)
  assert.equal(later.closed, false)
})

test('a host that speaks a later version too is linked, one that speaks only later ones is not', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  const version = PROTOCOL_VERSION + 1
  for (const [min, links] of [
    [PROTOCOL_VERSION, 1],
    [version, 0],
  ] as const) {
    await using later = await HostilePeer.create()
    await later.dial(host.address)
    later.introduce(host.swarm.self.key, undefined, { version, min, max: version })
    await until(() => host.swarm.links.size === 1 || later.closed, 'an outcome')
    assert.equal(host.swarm.links.size, links)
  }
  assert.equal(host.metrics.refusals.get('version'), 1)
})

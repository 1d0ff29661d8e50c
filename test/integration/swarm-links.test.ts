import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { blobRequests } from '../../src/blob/index.ts'
import { requireDigest } from '../../src/oci/digest.ts'
import { ordersProtocol } from '../../src/orders/index.ts'
import type { PeerLink } from '../../src/swarm/index.ts'
import { agentKeyOf, generateFleetKey } from '../../src/swarm/index.ts'
import { transferMessages } from '../../src/transfer/index.ts'
import { addressOf } from '../support/address-of.ts'
import type { TestHost } from './swarm-support.ts'
import { soon, TestFleet, until } from './swarm-support.ts'

function onlyLink(host: TestHost): PeerLink {
  assert.equal(host.swarm.links.size, 1)
  return [...host.swarm.links.values()][0]!
}

test('a dialled address becomes one link with a proven peer, on both sides', async () => {
  await using fleet = await TestFleet.create()
  const key = generateFleetKey()
  const agent = await fleet.host({ fleetKey: agentKeyOf(key), region: 'eu-1', zone: 'a' })
  const cache = await fleet.host({ fleetKey: key, role: 'cache', region: 'eu-1' })
  const link = await agent.swarm.connectAddress(cache.address, soon())
  await until(() => cache.swarm.links.size === 1, 'the other side')
  assert.deepEqual(link.peer, cache.swarm.self)
  assert.equal(link.direction, 'outbound')
  assert.deepEqual(onlyLink(cache).peer, agent.swarm.self)
  assert.equal(onlyLink(cache).direction, 'inbound')
  assert.equal(agent.events.linkedPeers[0], link)
  assert.equal(await agent.swarm.connectAddress(cache.address, soon()), link, 'the same link for the same address')
  assert.equal(await agent.swarm.connect(cache.swarm.self, soon()), link)
  assert.equal(await cache.swarm.connect(agent.swarm.self, soon()), onlyLink(cache), 'the dialled side uses it too')
  assert.equal(agent.metrics.peers().get('cache/linked'), 1)
  assert.equal(cache.metrics.peers().get('agent/linked'), 1)
})

test('messages flow both ways over a link', async () => {
  await using fleet = await TestFleet.create()
  const [left, right] = [await fleet.host(), await fleet.host()]
  const link = await left.swarm.connect(right.swarm.self, soon())
  link.send(transferMessages.cancel, { id: 1 })
  await until(() => right.events.messages.length === 1, 'the message')
  onlyLink(right).send(transferMessages.busy, { id: 1, queue: 3 })
  await until(() => left.events.messages.length === 1, 'the answer')
  assert.deepEqual(left.events.messages, [{ type: 'busy', id: 1, queue: 3 }])
})

test('a burst of dials to one peer, by address and by key, shares one link', async () => {
  await using fleet = await TestFleet.create()
  const [left, right] = [await fleet.host(), await fleet.host()]
  const links = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      i % 2 === 0 ? left.swarm.connectAddress(right.address, soon()) : left.swarm.connect(right.swarm.self, soon()),
    ),
  )
  assert.equal(new Set(links).size, 1)
  assert.equal(left.events.linkedPeers.length, 1)
  await until(() => right.events.linkedPeers.length === 1, 'the other side')
  assert.equal(right.events.unlinkedPeers.length, 0)
})

test('two hosts that dial each other at once end up with one link, the same on both sides', async () => {
  await using fleet = await TestFleet.create()
  const [left, right] = [await fleet.host(), await fleet.host()]
  for (let i = 0; i < 50; i++) {
    const byAddress = i % 2 === 0
    const connect = (from: TestHost, to: TestHost): Promise<PeerLink> =>
      byAddress ? from.swarm.connectAddress(to.address, soon()) : from.swarm.connect(to.swarm.self, soon())
    const [ours, theirs] = await Promise.all([connect(left, right), connect(right, left)])
    assert.equal(ours, onlyLink(left), `round ${i}`)
    assert.equal(theirs, onlyLink(right), `round ${i}`)
    assert.notEqual(ours.direction, theirs.direction, `round ${i}: two ends of one link`)
    ours.send(transferMessages.cancel, { id: i })
    await until(() => right.events.messages.length === i + 1, `the message of round ${i}`)
    ours.close('next round')
    await until(() => left.swarm.links.size + right.swarm.links.size === 0, `the end of round ${i}`)
  }
  for (const host of [left, right]) {
    assert.equal(host.events.linkedPeers.length, 50, 'no link was made in vain')
    assert.deepEqual(host.events.unlinkedPeers, host.events.linkedPeers)
    assert.deepEqual(host.logger.warnings, [])
  }
})

test('a whole clique that dials at once is fully linked', async () => {
  await using fleet = await TestFleet.create()
  const hosts = await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      // 56 handshakes in one process, on whatever else the machine does
      const limits = { dialTimeoutMs: 50_000, handshakeTimeoutMs: 50_000 }
      return await fleet.host({ identityPath: join(fleet.directory, `clique-${i}`), limits })
    }),
  )
  await Promise.all(
    hosts.flatMap((from) =>
      hosts.filter((to) => to !== from).map((to) => from.swarm.connect(to.swarm.self, AbortSignal.timeout(50_000))),
    ),
  )
  await until(() => hosts.every((host) => host.swarm.links.size === 7), 'every pair')
  for (const host of hosts) assert.equal(host.events.linkedPeers.length, 7)
})

test('a closed link is gone on both sides, told once, and can be made again', async () => {
  await using fleet = await TestFleet.create()
  const [left, right] = [await fleet.host(), await fleet.host()]
  const link = await left.swarm.connect(right.swarm.self, soon())
  await until(() => right.swarm.links.size === 1, 'the other side')
  link.close('test')
  link.close('test')
  assert.equal(left.swarm.links.size, 0)
  await until(() => right.swarm.links.size === 0, 'the other side')
  assert.equal(left.events.unlinkedPeers.length, 1)
  assert.equal(right.events.unlinkedPeers.length, 1)
  assert.notEqual(await right.swarm.connect(left.swarm.self, soon()), link)
})

test('a ban closes the link and refuses both ways until it ends', async () => {
  await using fleet = await TestFleet.create()
  const [left, right] = [await fleet.host(), await fleet.host()]
  await left.swarm.connect(right.swarm.self, soon())
  await until(() => right.swarm.links.size === 1, 'the other side')
  left.swarm.ban(right.swarm.self.key, 60_000, 'sent wrong bytes')
  await until(() => right.swarm.links.size === 0, 'the end')
  await assert.rejects(left.swarm.connect(right.swarm.self, soon()), { code: 'PEER_REFUSED' })
  await assert.rejects(left.swarm.connectAddress(right.address, soon()), { code: 'PEER_REFUSED' })
  await assert.rejects(right.swarm.connect(left.swarm.self, soon()), { code: 'PEER_REFUSED' })
  assert.ok((left.metrics.refusals.get('banned') ?? 0) >= 1)
  left.swarm.ban(right.swarm.self.key, 0, 'forgiven')
  await right.swarm.connect(left.swarm.self, soon())
})

test('a host does not link to itself', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  const alias = await fleet.host({ announce: ['cache.example:1'] })
  await assert.rejects(host.swarm.connect(host.swarm.self, soon()), { code: 'PEER_REFUSED' })
  await assert.rejects(host.swarm.connectAddress(host.address, soon()), { code: 'PEER_REFUSED' })
  const port = host.address.split(':')[1]
  await assert.rejects(host.swarm.connectAddress(`localhost:${port}`, soon()), { code: 'PEER_REFUSED' })
  assert.deepEqual(alias.swarm.self.addresses, ['cache.example:1'])
  assert.deepEqual(host.logger.warnings, [])
})

test('nobody at the address, or somebody else: the peer is gone', async () => {
  await using fleet = await TestFleet.create()
  const [left, right, other] = [await fleet.host(), await fleet.host(), await fleet.host()]
  const absent = await fleet.host()
  await absent.swarm[Symbol.asyncDispose]()
  await assert.rejects(left.swarm.connectAddress(absent.address, soon()), { code: 'PEER_GONE' })
  await assert.rejects(left.swarm.connect(absent.swarm.self, soon()), { code: 'PEER_GONE' })
  await assert.rejects(left.swarm.connect({ key: right.swarm.self.key, addresses: [other.address] }, soon()), {
    code: 'PEER_GONE',
  })
  await assert.rejects(left.swarm.connect({ key: 'notapeerid', addresses: [other.address] }, soon()), {
    code: 'PEER_GONE',
  })
  await assert.rejects(left.swarm.connect({ key: right.swarm.self.key, addresses: [] }, soon()), { code: 'PEER_GONE' })
  const link = await left.swarm.connect(
    { key: right.swarm.self.key, addresses: [absent.address, other.address, right.address] },
    soon(),
  )
  assert.equal(link.peer.key, right.swarm.self.key)
})

test('connecting obeys the signal', async () => {
  await using fleet = await TestFleet.create()
  const [left, right] = [await fleet.host(), await fleet.host()]
  const reason = new Error('not now')
  await assert.rejects(left.swarm.connect(right.swarm.self, AbortSignal.abort(reason)), reason)
  const controller = new AbortController()
  const dial = left.swarm.connect(right.swarm.self, controller.signal)
  controller.abort(reason)
  await assert.rejects(dial, reason)
  await left.swarm.connect(right.swarm.self, soon())
})

test('beyond its maximum of links a host takes no more', async () => {
  await using fleet = await TestFleet.create()
  const full = await fleet.host({ limits: { maxLinks: 2 } })
  for (let i = 0; i < 2; i++) await (await fleet.host()).swarm.connect(full.swarm.self, soon())
  await until(() => full.swarm.links.size === 2, 'two links')
  const late = await fleet.host()
  for (let dial = 0; dial < 2; dial++) {
    await assert.rejects(late.swarm.connect(full.swarm.self, soon()), {
      code: 'PEER_GONE',
      message: 'the peer has as many links as it may',
    })
  }
  assert.equal(full.swarm.links.size, 2)
  assert.equal(full.metrics.refusals.get('full'), 2)
  assert.equal(full.logger.warnings.filter((line) => line.includes('as many links as it may')).length, 1)
})

test('a full host does not let all who want in shake hands first', async () => {
  await using fleet = await TestFleet.create()
  const full = await fleet.host({ limits: { maxLinks: 1 } })
  await (await fleet.host()).swarm.connect(full.swarm.self, soon())
  const port = Number(full.address.split(':').at(-1))
  const sockets = Array.from({ length: 200 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  // what libp2p begins with
  for (const socket of sockets) socket.write('\x13/multistream/1.0.0\n')
  try {
    await until(() => (full.metrics.refusals.get('full') ?? 0) > 0, 'some of them to be refused unread')
    assert.equal(full.swarm.links.size, 1)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})

test('a host does not copy the list of its links for each of them when one more comes', async () => {
  await using fleet = await TestFleet.create()
  const host = await fleet.host()
  for (let i = 0; i < 20; i++) await (await fleet.host()).swarm.connect(host.swarm.self, soon())
  const late = await fleet.host()
  const { concat } = Array.prototype
  let copies = 0
  Array.prototype.concat = function (this: unknown[], ...items: unknown[]): unknown[] {
    if (this.length > 10) copies++
    return concat.apply(this, items)
  }
  try {
    await late.swarm.connect(host.swarm.self, soon())
    await until(() => host.swarm.links.size === 21, 'one more')
  } finally {
    Array.prototype.concat = concat
  }
  assert.equal(copies, 0)
})

test('links to caches are known without looking through all others, until they end', async () => {
  await using fleet = await TestFleet.create()
  const [host, cache, agent] = [await fleet.host(), await fleet.host({ role: 'cache' }), await fleet.host()]
  await host.swarm.connect(cache.swarm.self, soon())
  await agent.swarm.connect(host.swarm.self, soon())
  await until(() => host.swarm.links.size === 2, 'both links')
  assert.deepEqual([...host.swarm.caches.keys()], [cache.swarm.self.key])
  host.swarm.links.get(cache.swarm.self.key)?.close('done')
  await until(() => host.swarm.links.size === 1, 'the end of the link')
  assert.equal(host.swarm.caches.size, 0)
})

test('frames are counted both ways, by what they are about', async () => {
  await using fleet = await TestFleet.create()
  const [left, right] = [await fleet.host(), await fleet.host()]
  right.events.answer = async () => ({ kind: 'tags', tags: [], more: false })
  const link = await left.swarm.connect(right.swarm.self, soon())
  const body = new Uint8Array(1000)
  for (let i = 0; i < 3; i++) link.send(ordersProtocol.letter, { body })
  link.send(transferMessages.leave, { blob: requireDigest(`sha256:${'0'.repeat(64)}`) })
  await link.request(blobRequests.tags, { upstream: 'docker.io', repository: 'a/b' }, soon())
  const [sent, received] = [left.metrics, right.metrics]
  for (const [kind, count] of [
    ['prewarm', 3],
    ['content', 1],
    ['call', 1],
  ] as const) {
    assert.deepEqual([sent.frames.get(`sent/${kind}`), received.frames.get(`received/${kind}`)], [count, count], kind)
    assert.equal(sent.frameBytes.get(`sent/${kind}`), received.frameBytes.get(`received/${kind}`), kind)
  }
  assert.equal(left.metrics.frames.get('received/answer'), 1)
  assert.ok((sent.frameBytes.get('sent/prewarm') ?? 0) > 3000)
})

test('the identity outlives a restart; stopping tells the peers and can be repeated', async () => {
  await using fleet = await TestFleet.create()
  const identityPath = join(fleet.directory, 'kept')
  const first = await fleet.host({ identityPath })
  const other = await fleet.host()
  const link = await other.swarm.connect(first.swarm.self, soon())
  const call = link.request(blobRequests.tags, { upstream: 'docker.io', repository: 'a/b' }, soon())
  first.events.answer = () => new Promise(() => {})
  await first.swarm[Symbol.asyncDispose]()
  await first.swarm[Symbol.asyncDispose]()
  await assert.rejects(call, { code: 'PEER_GONE' })
  await until(() => other.events.unlinkedPeers.length === 1, 'the other side')
  await assert.rejects(first.swarm.connect(other.swarm.self, soon()), { code: 'PEER_GONE' })
  const second = await fleet.host({ identityPath })
  assert.equal(second.swarm.self.key, first.swarm.self.key)
  await other.swarm.connect(second.swarm.self, soon())
})

test('without a fleet key a host stays on loopback; a cache needs the cache key; a taken port is named', async () => {
  await using fleet = await TestFleet.create()
  const message = /peer\.listen.*fleet\.keyFile/
  await assert.rejects(fleet.host({ listen: addressOf('0.0.0.0:0') }), { code: 'CONFIG_INVALID', message })
  await assert.rejects(fleet.host({ listen: addressOf('[::]:0') }), { code: 'CONFIG_INVALID', message })
  const host = await fleet.host()
  await assert.rejects(host.swarm.connectAddress('192.0.2.1:7071', soon()), { code: 'PEER_REFUSED' })
  await assert.rejects(host.swarm.connect({ key: host.swarm.self.key.slice(1), addresses: ['192.0.2.1:1'] }, soon()), {
    code: 'PEER_GONE',
  })
  const agentKey = agentKeyOf(generateFleetKey())
  await assert.rejects(fleet.host({ role: 'cache', fleetKey: agentKey }), { code: 'CONFIG_INVALID' })
  await assert.rejects(fleet.host({ listen: addressOf(host.address) }), {
    code: 'CONFIG_INVALID',
    message: /peer\.listen/,
  })
  await fleet.host({ listen: addressOf('0.0.0.0:0'), fleetKey: agentKey })
})

test('only the cache key vouches for hashes, and every member can check it', async () => {
  await using fleet = await TestFleet.create()
  const key = generateFleetKey()
  const agent = await fleet.host({ fleetKey: agentKeyOf(key) })
  const cache = await fleet.host({ fleetKey: key, role: 'cache' })
  const blob = `sha256:${'ab'.repeat(32)}` as Parameters<typeof agent.swarm.vouched>[0]
  const hashes = new Uint8Array(32).fill(1)
  assert.equal(agent.swarm.vouch, undefined)
  const signature = cache.swarm.vouch?.(blob, 10, 0, hashes)
  assert.ok(agent.swarm.vouched(blob, 10, { first: 0, hashes, signature }))
  assert.ok(!agent.swarm.vouched(blob, 10, { first: 1, hashes, signature }))
  assert.ok(!agent.swarm.vouched(blob, 10, { first: 0, hashes }))
  // of states it is another statement: neither can be made out as the other
  const before = new Uint8Array(32).fill(2)
  const ofStates = cache.swarm.vouch?.(blob, 10, 0, hashes, before)
  assert.ok(agent.swarm.vouched(blob, 10, { first: 0, hashes, before, signature: ofStates }))
  assert.ok(!agent.swarm.vouched(blob, 10, { first: 0, hashes, before, signature }))
  assert.ok(!agent.swarm.vouched(blob, 10, { first: 0, hashes, signature: ofStates }))
  assert.ok(!agent.swarm.vouched(blob, 10, { first: 0, hashes, before: hashes, signature: ofStates }))
})

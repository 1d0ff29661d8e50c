import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blobRequests } from '../../src/blob/index.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { transferMessages, transferRequests } from '../../src/transfer/index.ts'
import { HostilePeer } from './swarm-hostile.ts'
import type { TestHost } from './swarm-support.ts'
import { soon, TestFleet, until } from './swarm-support.ts'

const MIB = 1024 * 1024
const BUDGET = 8 * MIB
const DIGEST = `sha256:${'ab'.repeat(32)}` as Digest
const PLACE = { upstream: 'docker.io', repository: 'library/app' }

/** What the host holds for its peers, by its own gauge, at its most while `done` does not hold. */
async function mostHeld(host: TestHost, done: () => boolean, what: string): Promise<number> {
  let most = 0
  await until(() => {
    most = Math.max(most, host.metrics.peers().get('shoal_control_unread_bytes') ?? 0)
    return done()
  }, what)
  return most
}

/** They say that they are there, whatever else they do. */
async function members(stack: AsyncDisposableStack, host: TestHost, count: number): Promise<HostilePeer[]> {
  const peers: HostilePeer[] = []
  const talking = setInterval(() => {
    for (const peer of peers) peer.say({ frame: 'ping' })
  }, 50)
  stack.defer(() => clearInterval(talking))
  for (let i = 0; i < count; i++) {
    const peer = stack.use(await HostilePeer.create())
    await peer.dial(host.address)
    peer.introduce(host.swarm.self.key)
    await until(() => host.swarm.links.has(peer.key), 'the link')
    peers.push(peer)
  }
  return peers
}

test('frames that many members begin and do not end are bounded in all, and cost an honest host nothing', async () => {
  await using fleet = await TestFleet.create()
  await using stack = new AsyncDisposableStack()
  const host = await fleet.host({ limits: { maxUnreadBytes: BUDGET } })
  const honest = await fleet.host()
  const link = await honest.swarm.connect(host.swarm.self, soon())
  const hostile = await members(stack, host, 10)
  // a length of 5 MiB, and most of that
  const part = Buffer.concat([Buffer.from([0, 0x50, 0, 0]), Buffer.alloc(4 * MIB, 0xa0)])
  for (const peer of hostile) peer.send(part)
  const most = await mostHeld(host, () => (host.metrics.refusals.get('unread') ?? 0) >= 8, 'those that are too much')
  assert.ok(most > BUDGET / 2, `${most} bytes: nothing was held`)
  assert.ok(most <= 2 * BUDGET, `${most} bytes held`)
  link.send(transferMessages.cancel, { id: 1 })
  assert.equal((await link.request(blobRequests.stat, { ...PLACE, digest: DIGEST }, soon())).kind, 'refused')
})

test('members that ask much and read nothing are bounded in all, and end; a host that reads is answered meanwhile', async () => {
  await using fleet = await TestFleet.create()
  await using stack = new AsyncDisposableStack()
  const limits = { maxUnreadBytes: BUDGET, pingIntervalMs: 500 }
  const host = await fleet.host({ limits })
  host.events.answer = async () => ({ kind: 'inline', bytes: new Uint8Array(MIB) })
  const honest = await fleet.host({ limits })
  const link = await honest.swarm.connect(host.swarm.self, soon())
  const hostile = await members(stack, host, 20)
  for (const peer of hostile) {
    peer.stopReading()
    for (let id = 0; id < 32; id++) {
      peer.say({ frame: 'call', id, name: 'join', args: { ...PLACE, digest: DIGEST, have: new Uint8Array() } })
    }
  }
  let answered = 0
  const asking = (async () => {
    while (host.swarm.links.size > 1) {
      const answer = await link.request(
        transferRequests.join,
        { ...PLACE, digest: DIGEST, have: new Uint8Array() },
        soon(),
      )
      if (answer.kind === 'inline') answered++
    }
  })()
  const most = await mostHeld(host, () => host.swarm.links.size === 1, 'the end of those that do not read')
  await asking
  assert.ok(most <= 2 * BUDGET, `${most} bytes held`)
  assert.equal(host.metrics.refusals.get('unread'), 20)
  assert.ok(answered > 0, 'the honest host was not answered')
  assert.ok(host.swarm.links.has(honest.swarm.self.key))
  await mostHeld(host, () => host.metrics.peers().get('shoal_control_unread_bytes') === 0, 'nothing to be held')
})

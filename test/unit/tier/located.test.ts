import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import type { PeerInfo, Role } from '../../../src/swarm/index.ts'
import { Located } from '../../../src/tier/located.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { SilentLink } from '../transfer/fixture.ts'

class FarLink extends SilentLink {
  override readonly peer: PeerInfo
  override readonly remote: string | undefined

  constructor(key: string, remote: string, addresses: readonly string[]) {
    super(key)
    this.remote = remote
    this.peer = { key, role: 'agent', region: 'eu', zone: null, addresses }
  }
}

const never = new AbortController().signal

/** A host that looks at addresses, and finds a peer only where `there` says it is. */
function looking(role: Role, there: ReadonlySet<string>): { located: Located; looked: string[]; clock: ManualClock } {
  const looked: string[] = []
  const clock = new ManualClock()
  const self: PeerInfo = { key: 'self', role, region: 'eu', zone: null, addresses: [] }
  const isAt = async (_key: string, address: string): Promise<boolean> => {
    looked.push(address)
    return there.has(address)
  }
  return { located: new Located({ swarm: { self, isAt }, clock, logger: silentLogger }), looked, clock }
}

test('the address that a peer comes from is its own, on whatever port it names, and nobody goes there to see', async () => {
  const { located, looked } = looking('cache', new Set())
  const link = new FarLink('a', '10.0.0.7', ['10.0.0.7:7071', '10.0.0.7:22'])
  await located.ready(link, never)
  assert.deepEqual([located.of(link), looked], [['10.0.0.7:7071', '10.0.0.7:22'], []])
})

test('a cache goes once to any other address a peer names, and believes what it finds', async () => {
  const { located, looked, clock } = looking('cache', new Set(['node-1.example:7071']))
  const link = new FarLink('a', '10.244.0.9', ['node-1.example:7071', '192.0.2.9:80'])
  for (let n = 0; n < 3; n++) await located.ready(link, never)
  assert.deepEqual([located.of(link), looked], [['node-1.example:7071'], ['node-1.example:7071', '192.0.2.9:80']])
  clock.advance(10_001)
  await located.ready(link, never)
  assert.equal(looked.length, 3, 'after a while it may have got there')
})

test('what only this machine or this cable has is no place of a peer from elsewhere', async () => {
  const { located, looked } = looking('cache', new Set(['127.0.0.1:7071']))
  const far = new FarLink('a', '10.0.0.7', ['127.0.0.1:7071', '169.254.169.254:80', '[fe80::1]:80', '[::1]:7071'])
  await located.ready(far, never)
  assert.deepEqual([located.of(far), looked], [[], []])
  const near = new FarLink('b', '127.0.0.1', ['127.0.0.1:7071'])
  await located.ready(near, never)
  assert.deepEqual(located.of(near), ['127.0.0.1:7071'])
})

test('a host that is no cache goes nowhere to see', async () => {
  const { located, looked } = looking('agent', new Set(['192.0.2.9:80']))
  const link = new FarLink('a', '10.0.0.7', ['192.0.2.9:80'])
  await located.ready(link, never)
  assert.deepEqual([located.of(link), looked], [[], []])
})

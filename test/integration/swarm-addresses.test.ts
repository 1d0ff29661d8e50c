import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { agentKeyOf, generateFleetKey } from '../../src/swarm/index.ts'
import type { Interfaces } from '../../src/swarm/own-addresses.ts'
import { addressOf } from '../support/address-of.ts'
import { eventually } from '../support/eventually.ts'
import { soon, TestFleet } from './swarm-support.ts'

const address = (text: string): NetworkInterfaceInfo => ({
  address: text,
  family: 'IPv4',
  internal: false,
  netmask: '',
  mac: '',
  cidr: null,
})

test('an address that comes or changes after the start reaches the peers that are linked, and those that link later', async () => {
  await using fleet = await TestFleet.create()
  const key = generateFleetKey()
  let interfaces: Interfaces = { docker0: [address('172.17.0.1')] }
  const cache = await fleet.host({ fleetKey: key, role: 'cache' })
  const agent = await fleet.host(
    { fleetKey: agentKeyOf(key), listen: addressOf('0.0.0.0:0') },
    { interfaces: () => interfaces },
  )
  await agent.swarm.connectAddress(cache.address, soon())
  const told = (): readonly string[] => cache.swarm.links.get(agent.swarm.self.key)?.peer.addresses ?? []
  await eventually('what there is at first is told', () => told().length === 1)
  const port = told()[0]?.split(':')[1]
  for (const host of ['10.0.0.5', '10.0.0.6']) {
    interfaces = { docker0: [address('172.17.0.1')], eth0: [address(host)] }
    await eventually(`${host} is told over the link`, () => told()[0] === `${host}:${port}`)
  }
  const later = await fleet.host({ fleetKey: agentKeyOf(key) })
  const link = await agent.swarm.connectAddress(later.address, soon())
  await eventually('both are linked', () => later.swarm.links.size === 1)
  const seen = later.swarm.links.get(agent.swarm.self.key)?.peer.addresses
  assert.deepEqual(seen, [`10.0.0.6:${port}`, `172.17.0.1:${port}`])
  assert.equal(link.direction, 'outbound')
})

test('an address that is found while a link is being made is told over it', async () => {
  await using fleet = await TestFleet.create()
  const key = generateFleetKey()
  let interfaces: Interfaces = {}
  const cache = await fleet.host({ fleetKey: key, role: 'cache' })
  const agent = await fleet.host(
    { fleetKey: agentKeyOf(key), listen: addressOf('0.0.0.0:0') },
    { interfaces: () => interfaces },
  )
  assert.deepEqual(agent.swarm.self.addresses, [])
  // what the peer has seen makes this host look at once: after it has said that it has none
  interfaces = { eth0: [address('10.0.0.5')] }
  await agent.swarm.connectAddress(cache.address, soon())
  await eventually('it is told', () => {
    return cache.swarm.links.get(agent.swarm.self.key)?.peer.addresses[0]?.startsWith('10.0.0.5:') === true
  })
})

test('the address a peer sees a host come from goes first', async (t) => {
  const own = Object.values(networkInterfaces())
    .flatMap((infos) => infos ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address
  if (own === undefined) return t.skip('this machine has no address but loopback')
  await using fleet = await TestFleet.create()
  const key = generateFleetKey()
  const interfaces: Interfaces = { eth0: [address('10.0.0.5')], eth1: [address(own)] }
  const cache = await fleet.host({ fleetKey: key, role: 'cache', listen: addressOf(`${own}:0`) })
  const agent = await fleet.host(
    { fleetKey: agentKeyOf(key), listen: addressOf('0.0.0.0:0') },
    { interfaces: () => interfaces },
  )
  assert.match(agent.swarm.self.addresses[0] ?? '', /^10\.0\.0\.5:/)
  await agent.swarm.connectAddress(cache.address, soon())
  assert.ok(agent.swarm.self.addresses[0]?.startsWith(`${own}:`), agent.swarm.self.addresses.join())
})

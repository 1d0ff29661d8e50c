import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressProofs } from '../../../src/tier/address-proofs.ts'
import { agentKeyOf, FleetTrust, generateFleetKey } from '../../../src/trust/index.ts'
import { clockAt } from '../../support/manual-clock.ts'

const DAY_MS = 86_400_000
const PEER = { key: 'alice', addresses: ['10.0.0.7:7071'] }

test("an address is believed under a cache's signature for this region, for a week", () => {
  const key = generateFleetKey()
  let now = 1_000 * DAY_MS
  const clock = clockAt(() => now)
  const proofs = (region: string, trust = new FleetTrust(agentKeyOf(key))): AddressProofs =>
    new AddressProofs({ trust, region, clock })
  const signed = proofs('eu', new FleetTrust(key)).sign(PEER)
  assert.deepEqual(proofs('eu').sign(PEER), PEER, 'a member has nothing to sign with')
  const agent = proofs('eu')
  assert.ok(agent.holds(signed))
  assert.ok(!agent.holds(PEER))
  assert.ok(!agent.holds({ ...signed, key: 'mallory' }))
  assert.ok(!agent.holds({ ...signed, addresses: ['192.0.2.9:80'] }))
  assert.ok(!agent.holds({ ...signed, addresses: [...PEER.addresses, '192.0.2.9:80'] }))
  assert.ok(!proofs('us').holds(signed))
  assert.ok(!agent.holds(proofs('eu', new FleetTrust(generateFleetKey())).sign(PEER)))
  now += 7 * DAY_MS + 1
  assert.ok(!agent.holds(signed))
  now -= 8 * DAY_MS
  assert.ok(!agent.holds(signed), 'nor before its time')
})

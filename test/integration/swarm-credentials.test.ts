import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkMessages } from '../../src/swarm/index.ts'
import { transferMessages } from '../../src/transfer/index.ts'
import type { FleetTrust } from '../../src/trust/index.ts'
import { agentKeyOf, generateFleetKey, generateMemberKey } from '../../src/trust/index.ts'
import type { Signed, TestTrustOptions } from '../support/test-authority.ts'
import { TestAuthority, testTrust } from '../support/test-authority.ts'
import { HostilePeer } from './swarm-hostile.ts'
import type { TestHost } from './swarm-support.ts'
import { soon, TestFleet, until } from './swarm-support.ts'

const member = generateMemberKey()

interface CertifiedHost extends TestHost {
  readonly trust: FleetTrust
}

/** A host of a fleet with an authority; a cache when it has a credential. */
async function certified(
  fleet: TestFleet,
  authority: TestAuthority,
  signed?: Signed,
  more: Partial<TestTrustOptions> & { readonly region?: string } = {},
): Promise<CertifiedHost> {
  const { region = 'test', ...options } = more
  const trust = await testTrust({
    key: member,
    authorities: [authority],
    credential: signed?.credential,
    ...options,
  })
  const host = await fleet.host({ fleetKey: member, trust, region, role: signed === undefined ? 'agent' : 'cache' })
  return { ...host, trust }
}

function cachesOf({ swarm }: TestHost): string[] {
  return [...swarm.caches.keys()]
}

test('a certified cache is one on both ways of linking, and says so', async () => {
  await using fleet = await TestFleet.create()
  const authority = await TestAuthority.create()
  const cache = await certified(fleet, authority, await authority.cache('test'))
  const [dialler, dialled] = [await certified(fleet, authority), await certified(fleet, authority)]
  const link = await dialler.swarm.connectAddress(cache.address, soon())
  await cache.swarm.connectAddress(dialled.address, soon())
  assert.deepEqual([link.peer.role, link.peer.certified], ['cache', true])
  await until(() => cachesOf(dialled).length === 1, 'the dialled host knows the cache')
})

test('a cache whose certificate is for another region, or by nobody known, is a mere member', async () => {
  await using fleet = await TestFleet.create()
  const [authority, other] = [await TestAuthority.create(), await TestAuthority.create()]
  const agent = await certified(fleet, authority)
  const elsewhere = await certified(fleet, authority, await authority.cache('elsewhere'))
  const foreign = await certified(fleet, other, await other.cache('test'))
  for (const cache of [elsewhere, foreign]) {
    const link = await cache.swarm.connectAddress(agent.address, soon())
    assert.equal(link.peer.key, agent.swarm.self.key)
    await until(() => agent.swarm.links.has(cache.swarm.self.key), 'the member is linked')
  }
  assert.deepEqual(cachesOf(agent), [])
  assert.match(agent.logger.warnings.join('\n'), /counts as a member only.*region elsewhere/)
  assert.match(agent.logger.warnings.join('\n'), /by no authority of this fleet/)
})

test('with an authority, the cache key makes no cache, unless the fleet is moving', async () => {
  await using fleet = await TestFleet.create()
  const authority = await TestAuthority.create()
  const key = generateFleetKey()
  const bare = await fleet.host({ fleetKey: key, role: 'cache' })
  const strict = await certified(fleet, authority, undefined, { key: agentKeyOf(key) })
  const moving = await certified(fleet, authority, undefined, { key: agentKeyOf(key), acceptCacheKeys: true })
  await strict.swarm.connectAddress(bare.address, soon())
  await moving.swarm.connectAddress(bare.address, soon())
  assert.deepEqual([cachesOf(strict).length, cachesOf(moving).length], [0, 1])
})

test('a certificate shown without its key is no way in', async () => {
  await using fleet = await TestFleet.create()
  const authority = await TestAuthority.create()
  const { credential } = await authority.cache('test')
  const agent = await certified(fleet, authority)
  await using thief = await HostilePeer.create(member)
  await thief.dial(agent.address)
  thief.claimCertified(agent.swarm.self.key, credential.certificate.der, new Uint8Array(64))
  await until(() => thief.closed, 'the thief is turned away')
  assert.equal(agent.metrics.refusals.get('role'), 1)
})

test('a certificate that ends while its holder is linked ends its rights, and a new one brings them back', async () => {
  await using fleet = await TestFleet.create()
  const authority = await TestAuthority.create()
  const started = Date.now()
  let aheadMs = 0
  const now = (): number => Date.now() + aheadMs
  const first = await authority.cache('test', { fromMs: started, days: 1 })
  const cache = await certified(fleet, authority, first)
  const agent = await certified(fleet, authority, undefined, { now })
  await agent.swarm.connectAddress(cache.address, soon())
  assert.equal(cachesOf(agent).length, 1)
  aheadMs = 2 * 86_400_000
  agent.trust.changed()
  await until(() => cachesOf(agent).length === 0, 'the agent has dropped the cache')
  const link = await agent.swarm.connectAddress(cache.address, soon())
  assert.equal(link.peer.role, 'agent', 'it is let in as a member')

  const { credential } = await authority.cache('test', { fromMs: started, days: 30 })
  const renewed = await testTrust({ key: member, authorities: [authority], credential })
  cache.trust.replace({ keys: [member], certificates: renewed.certificates, acceptCacheKeys: false })
  await until(() => agent.swarm.links.size === 0, 'the link that took it for a member ends')
  await agent.swarm.connectAddress(cache.address, soon())
  assert.equal(cachesOf(agent).length, 1)
})

test('a renewed certificate reaches those who are linked, and no link is lost', async () => {
  await using fleet = await TestFleet.create()
  const authority = await TestAuthority.create()
  let aheadMs = 0
  const cache = await certified(fleet, authority, await authority.cache('test', { days: 1 }))
  const agent = await certified(fleet, authority, undefined, { now: () => Date.now() + aheadMs })
  const link = await agent.swarm.connectAddress(cache.address, soon())
  const { credential } = await authority.cache('test', { days: 30 })
  const renewed = await testTrust({ key: member, authorities: [authority], credential })
  cache.trust.replace({ keys: [member], certificates: renewed.certificates, acceptCacheKeys: false })
  // what is said after it arrives after it
  cache.swarm.links.get(agent.swarm.self.key)?.send(transferMessages.cancel, { id: 1 })
  await until(() => agent.events.messages.length === 1, 'the agent has heard')
  aheadMs = 2 * 86_400_000
  agent.trust.changed()
  assert.equal(agent.swarm.caches.get(cache.swarm.self.key), link)
})

test('a revocation list goes from host to host, and ends the rights of whom it names at once', async () => {
  await using fleet = await TestFleet.create()
  const authority = await TestAuthority.create()
  const [signed, revoked] = [await authority.cache('test'), await authority.cache('test')]
  const cache = await certified(fleet, authority, signed)
  const agent = await certified(fleet, authority)
  const neighbour = await certified(fleet, authority)
  const lost = await certified(fleet, authority, revoked)
  for (const host of [agent, neighbour]) await host.swarm.connectAddress(lost.address, soon())
  await agent.swarm.connectAddress(cache.address, soon())
  await neighbour.swarm.connectAddress(agent.address, soon())
  assert.deepEqual([cachesOf(agent).length, cachesOf(neighbour).length], [2, 1])

  await cache.trust.certificates!.takeRevocations(await authority.revoke([revoked.credential]))
  cache.trust.changed()
  await until(() => cachesOf(agent).length === 1, 'the agent has dropped the revoked cache')
  await until(() => cachesOf(neighbour).length === 0, 'so has a host that only knows the agent')
  const late = await certified(fleet, authority)
  await late.swarm.connectAddress(agent.address, soon())
  await until(() => late.trust.certificates!.revocations.lists.length === 1, 'who comes later hears of it')
  const link = await late.swarm.connectAddress(lost.address, soon())
  assert.equal(link.peer.role, 'agent')
})

test('what is no revocation list of the fleet ends the link that it came by, and an old one changes nothing', async () => {
  await using fleet = await TestFleet.create()
  const [authority, other] = [await TestAuthority.create(), await TestAuthority.create()]
  const signed = await authority.cache('test')
  const now = Date.now()
  const [old, recent] = [await authority.revoke([], now - 60_000), await authority.revoke([], now)]
  const host = await certified(fleet, authority, undefined, { revocations: [recent] })
  const fingerprint = host.trust.certificates!.authorities.all[0]!.fingerprint
  const der = async (pem: string): Promise<Uint8Array> => {
    const reader = await testTrust({ key: member, authorities: [authority, other] })
    return (await reader.certificates!.takeRevocations(pem)).list.der
  }
  const list = { authority: fingerprint }
  const teller = await certified(fleet, authority, signed)
  const link = await teller.swarm.connectAddress(host.address, soon())
  link.send(linkMessages.revocations, { ...list, issuedAtMs: now - 60_000, list: await der(old) })
  link.send(transferMessages.cancel, { id: 1 })
  await until(() => host.events.messages.length === 1, 'it is still linked')
  for (const bytes of [await der(await other.revoke([signed.credential])), new Uint8Array(100), await der(old)]) {
    const again = await teller.swarm.connectAddress(host.address, soon())
    again.send(linkMessages.revocations, { ...list, issuedAtMs: now + 60_000, list: bytes })
    await until(() => !teller.swarm.links.has(host.swarm.self.key), 'the link has ended')
  }
  assert.equal(cachesOf(host).length, 0)
  assert.equal(host.trust.certificates!.revocations.issuedAt(fingerprint), Math.floor(now / 1000) * 1000)
})

test('two secrets and two authorities are accepted during a change, in every order', async () => {
  await using fleet = await TestFleet.create()
  const [older, newer] = [await TestAuthority.create(), await TestAuthority.create()]
  const [first, second] = [generateMemberKey(), generateMemberKey()]
  const steps: readonly Pick<TestTrustOptions, 'key' | 'authorities'>[] = [
    { key: [first], authorities: [older] },
    { key: [first, second], authorities: [older, newer] },
    { key: [second, first], authorities: [newer, older] },
    { key: [second], authorities: [newer] },
  ]
  const credentials = [older, older, newer, newer]
  for (let step = 0; step + 1 < steps.length; step++) {
    const [before, after] = [steps[step]!, steps[step + 1]!]
    for (const [here, there, by] of [
      [before, after, credentials[step]!],
      [after, before, credentials[step + 1]!],
    ] as const) {
      const cache = await certified(fleet, by, await by.cache('test'), here)
      const agent = await certified(fleet, older, undefined, there)
      const link = await agent.swarm.connectAddress(cache.address, soon())
      // the authority is changed like the secret: everywhere known before anybody is certified by it
      const isKnown = there.authorities!.includes(by)
      assert.equal(link.peer.role, isKnown ? 'cache' : 'agent', `step ${step}`)
      assert.ok(isKnown, `step ${step}: the next step is taken only when the last one is everywhere`)
    }
  }
})

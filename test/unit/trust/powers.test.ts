import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetTrust } from '../../../src/trust/index.ts'
import {
  agentKeyOf,
  canonicalBytes,
  generateFleetKey,
  generateMemberKey,
  giveOrderAsCache,
  MAX_SIGNATURE_BYTES,
  provenOrder,
} from '../../../src/trust/index.ts'
import { TestAuthority, testTrust } from '../../support/test-authority.ts'

const DAY_MS = 86_400_000
const now = Date.now()

const authority = await TestAuthority.create()
const other = await TestAuthority.create()
const key = generateFleetKey()
const member = generateMemberKey()

const credentials = {
  cacheA: await authority.cache('a'),
  cacheB: await authority.cache('b'),
  expired: await authority.cache('a', { fromMs: now - 3 * DAY_MS, days: 2 }),
  early: await authority.cache('a', { fromMs: now + DAY_MS }),
  revoked: await authority.cache('a'),
  foreign: await other.cache('a'),
  operator: await authority.operator(),
  expiredOperator: await authority.operator({ fromMs: now - 3 * DAY_MS, days: 2 }),
  revokedOperator: await authority.operator(),
  foreignOperator: await other.operator(),
}
const list = await authority.revoke([credentials.revoked.credential, credentials.revokedOperator.credential])

/** What a holder signs with, whatever it thinks of its own credential: a liar's clock says what the liar wants. */
async function holderOf(name: keyof typeof credentials): Promise<FleetTrust> {
  const { credential } = credentials[name]
  const at = (credential.certificate.notBeforeMs + credential.certificate.notAfterMs) / 2
  return testTrust({ key: member, authorities: [authority, other], credential, now: () => at })
}

const holders: Readonly<Record<string, FleetTrust>> = {
  member: await testTrust({ key: member, authorities: [authority] }),
  'cache key': await testTrust({ key }),
  'agent key': await testTrust({ key: agentKeyOf(key) }),
  ...Object.fromEntries(
    await Promise.all(
      (Object.keys(credentials) as (keyof typeof credentials)[]).map(async (name) => [name, await holderOf(name)]),
    ),
  ),
}

const verifiers = {
  certified: await testTrust({ key: member, authorities: [authority], revocations: [list] }),
  // a host that has the cache key's public half, and an authority beside it
  strict: await testTrust({ key: agentKeyOf(key), authorities: [authority], revocations: [list] }),
  moving: await testTrust({
    key: agentKeyOf(key),
    authorities: [authority],
    revocations: [list],
    acceptCacheKeys: true,
  }),
  bare: await testTrust({ key: agentKeyOf(key) }),
}

type Region = 'a' | 'b'
/** `order in` a region: as one of its caches, there and in those below it. `order`: as an operator, everywhere. */
type Power = `${'cache of' | 'vouch for' | 'order in'} ${Region}` | 'order'

const NOTHING: readonly Power[] = []
const CACHE_A: readonly Power[] = ['cache of a', 'vouch for a', 'order in a']
const CACHE_B: readonly Power[] = ['cache of b', 'vouch for b', 'order in b']
const ALL: readonly Power[] = [
  'cache of a',
  'cache of b',
  'vouch for a',
  'vouch for b',
  'order in a',
  'order in b',
  'order',
]

/** Who may do what, by credential, in the eyes of each kind of host. SECURITY.md shows the same. */
const POWERS: readonly [holder: string, Readonly<Record<keyof typeof verifiers, readonly Power[]>>][] = [
  ['member', { certified: NOTHING, strict: NOTHING, moving: NOTHING, bare: NOTHING }],
  ['agent key', { certified: NOTHING, strict: NOTHING, moving: NOTHING, bare: NOTHING }],
  ['cache key', { certified: NOTHING, strict: NOTHING, moving: ALL, bare: ALL }],
  ['cacheA', { certified: CACHE_A, strict: CACHE_A, moving: CACHE_A, bare: NOTHING }],
  ['cacheB', { certified: CACHE_B, strict: CACHE_B, moving: CACHE_B, bare: NOTHING }],
  ['expired', { certified: NOTHING, strict: NOTHING, moving: NOTHING, bare: NOTHING }],
  ['early', { certified: NOTHING, strict: NOTHING, moving: NOTHING, bare: NOTHING }],
  ['revoked', { certified: NOTHING, strict: NOTHING, moving: NOTHING, bare: NOTHING }],
  ['foreign', { certified: NOTHING, strict: NOTHING, moving: NOTHING, bare: NOTHING }],
  ['operator', { certified: ['order'], strict: ['order'], moving: ['order'], bare: NOTHING }],
  ['expiredOperator', { certified: NOTHING, strict: NOTHING, moving: NOTHING, bare: NOTHING }],
  ['revokedOperator', { certified: NOTHING, strict: NOTHING, moving: NOTHING, bare: NOTHING }],
  ['foreignOperator', { certified: NOTHING, strict: NOTHING, moving: NOTHING, bare: NOTHING }],
]

for (const [name, expected] of POWERS) {
  for (const [kind, powers] of Object.entries(expected) as [keyof typeof verifiers, readonly Power[]][]) {
    test(`a holder of "${name}" may ${powers.join(', ') || 'nothing'} in the eyes of a ${kind} host`, () => {
      assert.deepEqual(powersOf(holders[name]!, verifiers[kind]), powers)
    })
  }
}

function powersOf(holder: FleetTrust, verifier: FleetTrust): Power[] {
  const statement = canonicalBytes('shoal test v1', 'content')
  const isCache = (region: string): boolean => {
    const claim = {
      roleProof: holder.proveCache('alice', region),
      shown: holder.certificates?.show('alice', 'bob'),
    }
    const { kind } = verifier.weigh('alice', 'bob', region, claim)
    return kind === 'certified' || kind === 'key'
  }
  const vouch = holder.vouch(statement)
  const order = holder.order(statement)
  for (const signature of [vouch, order]) assert.ok((signature?.length ?? 0) <= MAX_SIGNATURE_BYTES)
  const vouched = (region: string): boolean => vouch !== undefined && verifier.vouched(statement, vouch, region)
  const ordersIn = (region: string): boolean => {
    const what = {
      verb: 'invalidate',
      subject: 'registry.test/team/app:v1',
      content: null,
      issuedEpochMs: now,
    } as const
    const given = giveOrderAsCache(holder, region, what)
    return given !== undefined && provenOrder(verifier, given, (above) => above === region) !== undefined
  }
  const has: Record<Power, boolean> = {
    'order in a': ordersIn('a'),
    'order in b': ordersIn('b'),
    'cache of a': isCache('a'),
    'cache of b': isCache('b'),
    'vouch for a': vouched('a'),
    'vouch for b': vouched('b'),
    order: order !== undefined && verifier.ordered(statement, order) !== undefined,
  }
  return ALL.filter((power) => has[power])
}

test('every holder of a credential is in the table', () => {
  assert.deepEqual(POWERS.map(([name]) => name).toSorted(), Object.keys(holders).toSorted())
})

test('a signature cannot be changed in any part, and is none over anything else', () => {
  const { certified } = verifiers
  const statement = canonicalBytes('shoal test v1', 'content')
  const signature = holders.cacheA!.vouch(statement)!
  assert.ok(certified.vouched(statement, signature, 'a'))
  assert.ok(!certified.vouched(canonicalBytes('shoal test v1', 'other'), signature, 'a'))
  assert.ok(!certified.ordered(statement, signature))
  for (let at = 0; at < signature.length; at++) {
    const changed = signature.slice()
    changed[at]! ^= 1
    assert.ok(!certified.vouched(statement, changed, 'a'), `byte ${at}`)
  }
  for (const cut of [0, 1, 64, 66, signature.length - 1]) {
    assert.ok(!certified.vouched(statement, signature.slice(0, cut), 'a'), `${cut} bytes`)
  }
})

test('a certificate shown by somebody else, or to somebody else, is forged', () => {
  const shown = holders.cacheA!.certificates!.show('alice', 'bob')!
  const { certified } = verifiers
  assert.equal(certified.weigh('alice', 'bob', 'a', { roleProof: undefined, shown }).kind, 'certified')
  assert.equal(certified.weigh('mallory', 'bob', 'a', { roleProof: undefined, shown }).kind, 'forged')
  assert.equal(certified.weigh('alice', 'carol', 'a', { roleProof: undefined, shown }).kind, 'forged')
})

test('an authority that serves several fleets gives rights in one only where the host says which', async () => {
  const staging = await TestAuthority.create('staging')
  const { credential } = await staging.operator()
  const holder = await testTrust({ key: member, authorities: [staging], credential })
  const statement = canonicalBytes('shoal test v1', 'purge')
  const order = holder.order(statement)!
  const any = await testTrust({ key: member, authorities: [staging] })
  const production = await testTrust({ key: member, authorities: [staging], fleet: 'production' })
  assert.ok(any.ordered(statement, order))
  assert.ok(!production.ordered(statement, order))
})

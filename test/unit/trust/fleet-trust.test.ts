import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../../../src/oci/digest.ts'
import { agentKeyOf, canonicalBytes, FleetTrust, generateFleetKey, parseFleetKey } from '../../../src/trust/index.ts'

const KEY = parseFleetKey(`shoal-cache-key-v1:${Buffer.alloc(64, 7).toString('base64url')}`)
const caches = new FleetTrust(KEY)
const agents = new FleetTrust(agentKeyOf(KEY))
const others = new FleetTrust(generateFleetKey())
const BLOB = `sha256:${'ab'.repeat(32)}` as Digest
const HASHES = new Uint8Array(64).fill(9)

function run(blob: Digest, size: number, first: number, hashes: Uint8Array): Uint8Array {
  return canonicalBytes('shoal hashes v1', blob, size, first, hashes)
}

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex')
}

test('proofs have their golden bytes', () => {
  assert.equal(
    hex(canonicalBytes('label', 'ab', 258, new Uint8Array([1]))),
    '000000056c6162656c' + '000000026162' + '000000080000000000000102' + '0000000101',
  )
  assert.equal(
    hex(caches.proveMember('alice', 'bob')),
    '59d30c15cd3778bb12dcb49befc28dd6958574917993981a9228273217b3915b',
  )
  assert.equal(
    hex(caches.proveCache('alice', 'eu-1')),
    '6e31c927be2b259858f0c88cbace0a8a4485a35409790f44b9dfddd6f7b00e5e505382c4df03e60f0ae2504b999b8d26fa67b0282233cf41cd9ab76d65557205',
  )
  assert.equal(
    hex(caches.vouch(run(BLOB, 1000, 4, HASHES))),
    'ec05b8edaa5a577b4ce9a424e24956c8bf4bb9ab7b3e18059d2751e78d4962fa9e69072d8ef608fa4a1a31d7a8ef1a696ef6139335daba2b31e8e99ff44e9309',
  )
})

test('no two lists of parts have the same canonical bytes', () => {
  assert.notDeepEqual(canonicalBytes('a', 'bc'), canonicalBytes('ab', 'c'))
  assert.notDeepEqual(canonicalBytes('a', 'b', 'c'), canonicalBytes('a', 'bc'))
})

test('a member proof holds for this prover, this verifier and this fleet only', () => {
  const proof = agents.proveMember('alice', 'bob')
  assert.ok(caches.isMember('alice', 'bob', proof))
  assert.ok(!caches.isMember('bob', 'alice', proof), 'not reflected')
  assert.ok(!caches.isMember('alice', 'carol', proof), 'not forwarded')
  assert.ok(!others.isMember('alice', 'bob', proof))
  assert.ok(!caches.isMember('alice', 'bob', proof.subarray(1)))
  assert.ok(!caches.isMember('alice', 'bob', new Uint8Array()))
})

test('only the cache key proves a cache, for its own peer id and region', () => {
  const proof = caches.proveCache('alice', 'eu-1')
  assert.ok(proof !== undefined && agents.isCache('alice', 'eu-1', proof))
  assert.ok(!agents.isCache('mallory', 'eu-1', proof))
  assert.ok(!agents.isCache('alice', 'us-1', proof))
  assert.equal(agents.proveCache('alice', 'eu-1'), undefined)
  assert.ok(!agents.isCache('alice', 'eu-1', new Uint8Array(64)))
})

test('a vouched run of hashes cannot be changed in any part', () => {
  const signature = caches.vouch(run(BLOB, 1000, 4, HASHES))
  assert.ok(signature !== undefined)
  assert.ok(agents.vouched(run(BLOB, 1000, 4, HASHES), signature, 'eu-1'))
  assert.ok(!agents.vouched(run(BLOB, 1001, 4, HASHES), signature, 'eu-1'))
  assert.ok(!agents.vouched(run(BLOB, 1000, 5, HASHES), signature, 'eu-1'))
  assert.ok(!agents.vouched(run(`sha256:${'ac'.repeat(32)}` as Digest, 1000, 4, HASHES), signature, 'eu-1'))
  assert.ok(!agents.vouched(run(BLOB, 1000, 4, HASHES.subarray(32)), signature, 'eu-1'))
  assert.ok(!others.vouched(run(BLOB, 1000, 4, HASHES), signature, 'eu-1'))
  assert.ok(!agents.vouched(run(BLOB, 1000, 4, HASHES), signature.subarray(1), 'eu-1'))
  assert.equal(agents.vouch(run(BLOB, 1000, 4, HASHES)), undefined)
})

test('only who holds the signing key orders, and no vouched statement is an order', () => {
  const statement = canonicalBytes('shoal test v1', 'pin')
  const order = caches.order(statement)
  assert.ok(order !== undefined && agents.ordered(statement, order))
  assert.ok(!others.ordered(statement, order))
  assert.equal(agents.order(statement), undefined)
  const vouch = caches.vouch(statement)
  assert.ok(vouch !== undefined && !agents.ordered(statement, vouch))
})

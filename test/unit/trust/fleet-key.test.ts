import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  agentKeyOf,
  formatFleetKey,
  generateFleetKey,
  isLoopbackKey,
  LOOPBACK_KEY,
  parseFleetKey,
} from '../../../src/swarm/index.ts'

// RFC 8032, 7.1, test 1: the public key of this seed.
const SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
const PUBLIC = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
const SECRET = '07'.repeat(32)

function text(prefix: string, hex: string): string {
  return prefix + Buffer.from(hex, 'hex').toString('base64url')
}

test('the cache form yields the agent form with the RFC 8032 public key', () => {
  const key = parseFleetKey(text('shoal-cache-key-v1:', SECRET + SEED))
  assert.equal(key.kind, 'cache')
  assert.equal(Buffer.from(key.publicKey).toString('hex'), PUBLIC)
  assert.equal(formatFleetKey(agentKeyOf(key)), text('shoal-agent-key-v1:', SECRET + PUBLIC))
})

test('both forms survive writing and reading, with white space around them', () => {
  const cache = generateFleetKey()
  assert.deepEqual(parseFleetKey(`\n ${formatFleetKey(cache)} \n`), cache)
  const agent = agentKeyOf(cache)
  assert.deepEqual(parseFleetKey(formatFleetKey(agent)), agent)
  assert.ok(!formatFleetKey(agent).includes(formatFleetKey(cache).slice(-43)), 'the agent form holds no signing seed')
})

test('two generated keys differ', () => {
  assert.notEqual(formatFleetKey(generateFleetKey()), formatFleetKey(generateFleetKey()))
})

test('what is no key is refused without being quoted', () => {
  const good = formatFleetKey(generateFleetKey())
  const secretPart = good.slice(19, 40)
  for (const bad of ['', 'hello', good.slice(0, -1), `${good}AA`, good.replace('v1', 'v2'), `${good} ${good}`]) {
    assert.throws(
      () => parseFleetKey(bad),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'CONFIG_INVALID', bad)
        assert.ok(!error.message.includes(secretPart), 'the message does not quote the key')
        return true
      },
    )
  }
})

test('the loopback key is the same everywhere, in either form, and no other key is it', () => {
  assert.ok(isLoopbackKey(LOOPBACK_KEY))
  assert.ok(isLoopbackKey(agentKeyOf(LOOPBACK_KEY)))
  assert.ok(!isLoopbackKey(generateFleetKey()))
  assert.equal(
    formatFleetKey(agentKeyOf(LOOPBACK_KEY)),
    'shoal-agent-key-v1:SsCfwjw9dwRqNnstliannln_7XKlIIZPEruHJbXuVib5mmlQigJHOFEAz6-_cOLLT0mYgyWVIt4t_zmAC4qklQ',
  )
})

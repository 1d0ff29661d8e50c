import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseListenAddress, reachableAddresses } from '../../../src/swarm/address.ts'
import { formatHostPort, hostPortMultiaddr, isLoopbackHost, parseHostPort } from '../../../src/swarm/index.ts'

test('addresses are read, written and turned into multiaddrs', () => {
  const cases = [
    ['10.0.0.1:7071', '/ip4/10.0.0.1/tcp/7071'],
    ['[fd00::1]:7071', '/ip6/fd00::1/tcp/7071'],
    ['[::1]:0', '/ip6/::1/tcp/0'],
    ['cache-1.example.com:65535', '/dns/cache-1.example.com/tcp/65535'],
    ['localhost:7071', '/dns/localhost/tcp/7071'],
    ['shoal_cache:7071', '/dns/shoal_cache/tcp/7071'],
  ] as const
  for (const [text, expected] of cases) {
    const address = parseHostPort(text)
    assert.ok(address !== undefined, text)
    assert.equal(formatHostPort(address), text)
    assert.equal(hostPortMultiaddr(address).toString(), expected)
  }
})

test('what is no host:port is not read as one', () => {
  const wrong = ['', ':7071', '10.0.0.1', '10.0.0.1:', '10.0.0.1:65536', '10.0.0.1:-1', '10.0.0.1:1e3', '10.0.0.256:1']
  wrong.push('fd00::1:7071', '[10.0.0.1]:7071', '[fe80::1%eth0]:1', 'a/b:1', 'a b:1', '-a:1', `${'a'.repeat(64)}:1`)
  wrong.push('a:1/p2p/x:1', '10.0.0:1', 'http://a:1')
  for (const text of wrong) assert.equal(parseHostPort(text), undefined, text)
})

test('loopback is recognised', () => {
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost', 'LOCALHOST']) assert.ok(isLoopbackHost(host), host)
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', 'localhost.example.com', 'fd00::1']) {
    assert.ok(!isLoopbackHost(host), host)
  }
})

test('a listen address is an address, not a name', () => {
  assert.deepEqual(parseListenAddress('localhost:7071'), { host: '127.0.0.1', port: 7071 })
  assert.deepEqual(parseListenAddress('[::]:0'), { host: '::', port: 0 })
  assert.throws(() => parseListenAddress('example.com:1'), { code: 'CONFIG_INVALID', message: /peer\.listen/ })
})

test('a host on every interface announces addresses others can dial, with its port', () => {
  assert.deepEqual(reachableAddresses({ host: '10.1.2.3', port: 5 }), ['10.1.2.3:5'])
  const all = reachableAddresses({ host: '0.0.0.0', port: 4711 })
  assert.ok(all.length >= 1 && all.length <= 8)
  for (const address of all) {
    assert.match(address, /:4711$/)
    assert.ok(!address.startsWith('0.0.0.0'))
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressText, isLoopback, listenAddress, parseAddress, reachedHere } from '../../../src/base/address.ts'

test('an address is read, and written as it was read', () => {
  const texts = ['10.0.0.1:7071', '[fd00::1]:7071', '[::1]:0', 'cache-1.example.com:65535', 'localhost:7071']
  texts.push('shoal_cache:7071', '_shoal:7071', 'my-host:7071', 'host:0', '[0:0:0:0:0:0:0:1]:7071', 'cache.example.:1')
  for (const text of texts) {
    const address = parseAddress(text)
    assert.ok(address !== undefined, text)
    assert.equal(addressText(address), text)
  }
})

test('what is no host:port is not read as one', () => {
  const wrong = ['', ':7071', '10.0.0.1', '10.0.0.1:', '10.0.0.1:65536', '10.0.0.1:-1', '10.0.0.1:1e3', '10.0.0.256:1']
  wrong.push('fd00::1:7071', '[10.0.0.1]:7071', '[fe80::1%eth0]:1', 'a/b:1', 'a b:1', '-a:1', `${'a'.repeat(64)}:1`)
  wrong.push('a:1/p2p/x:1', '10.0.0:1', 'http://a:1', 'host.1:1', 'a..b:1', '::1:7070', '7070')
  for (const text of wrong) assert.equal(parseAddress(text), undefined, text)
})

test('loopback is recognised however it is written', () => {
  const loopback = ['127.0.0.1', '127.8.9.1', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'localhost', 'LOCALHOST']
  for (const host of loopback) assert.ok(isLoopback(host), host)
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', 'localhost.example.com', 'fd00::1']) {
    assert.ok(!isLoopback(host), host)
  }
})

test('localhost is one address to listen on; every interface is reached by loopback', () => {
  assert.deepEqual(listenAddress({ host: 'LocalHost', port: 7071 }), { host: '127.0.0.1', port: 7071 })
  assert.deepEqual(listenAddress({ host: 'shoal.corp', port: 80 }), { host: 'shoal.corp', port: 80 })
  assert.deepEqual(reachedHere({ host: '0.0.0.0', port: 1 }), { host: '127.0.0.1', port: 1 })
  assert.deepEqual(reachedHere({ host: '::', port: 1 }), { host: '::1', port: 1 })
  assert.deepEqual(reachedHere({ host: '10.0.0.1', port: 1 }), { host: '10.0.0.1', port: 1 })
})

import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import { test } from 'node:test'
import type { AddressClass } from '../../../src/base/address-class.ts'
import { classOf } from '../../../src/base/address-class.ts'
import type { Reach } from '../../../src/origin/address-guard.ts'
import { AddressGuard } from '../../../src/origin/address-guard.ts'

const classes: readonly [is: AddressClass, addresses: readonly string[]][] = [
  ['public', ['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.0', '100.63.255.255', '100.128.0.0', '192.0.1.1']],
  ['public', ['2606:4700::1111', '2a00:1450::5', '2002:808:808::1', '64:ff9b::8.8.8.8', '::ffff:8.8.8.8']],
  ['private', ['10.0.0.0', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1']],
  ['private', ['100.127.255.255', '198.18.0.1', '192.0.0.8', 'fc00::1', 'fd12:3456::1', 'fec0::1', '2001:db8::1']],
  ['private', ['::ffff:10.0.0.1', '::ffff:a00:1', '64:ff9b::10.0.0.1', '64:ff9b:1::1', '2002:a00:1::', '::10.0.0.1']],
  ['private', ['2001:0:a00:1::f7f7:f7f7', '2001:0:808:808::f5ff:fffe', '::ffff:0:10.0.0.1', '400::1']],
  ['loopback', ['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '::1', '::', '[::1]', '::ffff:127.0.0.1']],
  ['loopback', ['64:ff9b::7f00:1', '2002:7f00:1::1', '::127.0.0.1', '::ffff:0.0.0.0']],
  ['forbidden', ['169.254.169.254', '169.254.170.2', '168.63.129.16', '192.0.0.192', '100.100.100.200']],
  ['forbidden', ['fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254', 'fe80::1', 'fe80::1%eth0', 'ff02::1']],
  ['forbidden', ['::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '64:ff9b::169.254.169.254', '2002:a9fe:a9fe::']],
  [
    'forbidden',
    ['::ffff:168.63.129.16', '64:ff9b::c000:c0', '224.0.0.1', '240.0.0.1', '255.255.255.255', 'no address'],
  ],
]

for (const [is, addresses] of classes) {
  for (const address of addresses) test(`${address} is ${is}`, () => assert.equal(classOf(address), is))
}

// the square of this length would never be done
test('four million percent signs and no end of a line are looked at once', () => {
  assert.equal(classOf(`${'%'.repeat(2 ** 22)}\n`), 'forbidden')
})

const CDN = 'cdn.example'

/** What a connection to `host` is made to, when names resolve as told; undefined for none. */
function connects(guard: AddressGuard, host: string, reach: Reach = 'registry'): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    guard.lookup(reach)(host, { all: true }, (error, addresses) => {
      resolve(error === null ? (addresses as LookupAddress[]).map(({ address }) => address) : undefined)
    })
  })
}

function guardOf(registry: string, names: Record<string, readonly string[]>): AddressGuard {
  return new AddressGuard(registry, (name, _options, callback) => {
    const addresses = (names[name] ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    callback(null, addresses)
  })
}

const sent: readonly [registry: string, to: string, reached: boolean][] = [
  ['8.8.8.8', '1.1.1.1', true],
  ['8.8.8.8', '10.0.0.1', false],
  ['8.8.8.8', '100.64.0.1', false],
  ['8.8.8.8', '127.0.0.1', false],
  ['8.8.8.8', '::1', false],
  ['8.8.8.8', '::ffff:10.0.0.1', false],
  ['8.8.8.8', '169.254.169.254', false],
  ['10.0.0.1', '8.8.8.8', true],
  ['10.0.0.1', '192.168.7.7', true],
  ['10.0.0.1', '127.0.0.1', false],
  ['10.0.0.1', 'fd00:ec2::254', false],
  ['127.0.0.1', '127.0.0.1', true],
  ['127.0.0.1', '10.0.0.1', true],
  ['127.0.0.1', '168.63.129.16', false],
  // what the operator wrote down may be anywhere, and sends nobody else there
  ['169.254.1.1', '169.254.169.254', false],
]

for (const [registry, to, reached] of sent) {
  test(`a registry at ${registry} ${reached ? 'may send' : 'does not send'} this host to ${to}, by address or by name`, async () => {
    for (const own of [registry, 'registry.example']) {
      if (own !== registry && classOf(registry) === 'forbidden') continue
      const guard = guardOf(own, { 'registry.example': [registry], [CDN]: [to], mixed: ['8.8.4.4', to] })
      if (own !== registry) assert.deepEqual(await connects(guard, own), [registry])
      const url = new URL(to.includes(':') ? `http://[${to}]/` : `http://${to}/`)
      if (url.hostname !== own) assert.equal(guard.refusal(url, 'registry') === undefined, reached, 'by address')
      assert.deepEqual(await connects(guard, CDN), reached ? [to] : undefined, 'by name')
      assert.deepEqual(await connects(guard, 'mixed'), reached ? ['8.8.4.4', to] : ['8.8.4.4'], 'by a name with two')
    }
  })
}

test('the address written down is asked, wherever it is', () => {
  for (const host of ['169.254.1.1', '127.0.0.1', '[fe80::1]']) {
    assert.equal(new AddressGuard(host).refusal(new URL(`http://${host}/`), 'registry'), undefined)
  }
})

test('a registry that moves its own name from the internet to loopback is not followed there', async () => {
  const names = { 'registry.example': ['8.8.8.8'], [CDN]: ['10.0.0.1'] }
  const guard = guardOf('registry.example', names)
  assert.deepEqual(await connects(guard, 'registry.example'), ['8.8.8.8'])
  names['registry.example'] = ['127.0.0.1']
  assert.equal(await connects(guard, 'registry.example'), undefined)
  assert.equal(await connects(guard, CDN), undefined)
  names['registry.example'] = ['1.1.1.1', '169.254.169.254']
  assert.deepEqual(await connects(guard, 'registry.example'), ['1.1.1.1'])
})

test('a registry with a public and a private address is asked at both, and sends nobody to private ones', async () => {
  const guard = guardOf('registry.example', { 'registry.example': ['8.8.8.8', '10.0.0.1'], [CDN]: ['10.0.0.2'] })
  assert.deepEqual(await connects(guard, 'registry.example'), ['8.8.8.8', '10.0.0.1'])
  assert.equal(await connects(guard, CDN), undefined)
})

test("strangers are asked at public addresses only, also under the registry's own name", async () => {
  const guard = guardOf('registry.corp', { 'registry.corp': ['10.0.0.1'], auth: ['10.0.0.2'], out: ['8.8.8.8'] })
  assert.deepEqual(await connects(guard, 'registry.corp'), ['10.0.0.1'])
  assert.equal(await connects(guard, 'registry.corp', 'public'), undefined)
  assert.equal(await connects(guard, 'auth', 'public'), undefined)
  assert.deepEqual(await connects(guard, 'out', 'public'), ['8.8.8.8'])
})

test('a token server that the operator named may be anywhere but at a metadata service', async () => {
  const names = { 'registry.example': ['8.8.8.8'], auth: ['127.0.0.1'], meta: ['169.254.169.254'] }
  const guard = guardOf('registry.example', names)
  await connects(guard, 'registry.example')
  assert.deepEqual(await connects(guard, 'auth', 'listed'), ['127.0.0.1'])
  assert.equal(await connects(guard, 'meta', 'listed'), undefined)
})

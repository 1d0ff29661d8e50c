import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { fromMultiaddr, toMultiaddr } from '../../../src/swarm/multiaddr.ts'
import type { Interfaces } from '../../../src/swarm/own-addresses.ts'
import { OwnAddresses, reachableAddresses } from '../../../src/swarm/own-addresses.ts'
import { peerAddresses, plainHost } from '../../../src/swarm/peer-addresses.ts'
import { addressOf } from '../../support/address-of.ts'
import { ManualClock } from '../../support/manual-clock.ts'

test('addresses are turned into multiaddrs and back', () => {
  const cases = [
    ['10.0.0.1:7071', '/ip4/10.0.0.1/tcp/7071'],
    ['[fd00::1]:7071', '/ip6/fd00::1/tcp/7071'],
    ['[::1]:0', '/ip6/::1/tcp/0'],
    ['cache-1.example.com:65535', '/dns/cache-1.example.com/tcp/65535'],
    ['shoal_cache:7071', '/dns/shoal_cache/tcp/7071'],
  ] as const
  for (const [text, expected] of cases) {
    assert.equal(toMultiaddr(addressOf(text)).toString(), expected)
    assert.deepEqual(fromMultiaddr(toMultiaddr(addressOf(text))), addressOf(text))
  }
})

const at = (address: string, internal = false): NetworkInterfaceInfo =>
  address.includes(':')
    ? { address, family: 'IPv6', internal, netmask: '', mac: '', cidr: null, scopeid: 0 }
    : { address, family: 'IPv4', internal, netmask: '', mac: '', cidr: null }

test('a host on every interface announces addresses others can dial, the likeliest first', () => {
  const lo = [at('127.0.0.1', true), at('::1', true)]
  const bridges = Object.fromEntries(
    ['docker0', 'br-0a1b', 'cni0', 'veth1@if2', 'virbr0', 'flannel.1', 'cali123', 'lxcbr0', 'podman1'].map(
      (name, i) => [name, [at(`172.${17 + i}.0.1`)]],
    ),
  )
  const wire = [at('10.0.0.5'), at('fd00::5'), at('fe80::1'), at('169.254.1.1')]
  const cases: [name: string, listen: string, interfaces: Interfaces, observed: string[], expected: string[]][] = [
    ['one address', '10.1.2.3:5', { lo, eth0: wire }, [], ['10.1.2.3:5']],
    ['no address yet', '0.0.0.0:5', { lo }, [], []],
    ['IPv4 only where it listens on that', '0.0.0.0:5', { lo, eth0: wire }, [], ['10.0.0.5:5']],
    ['both', '[::]:5', { lo, eth0: wire }, [], ['10.0.0.5:5', '[fd00::5]:5']],
    ['IPv6 only', '[::]:5', { lo, eth0: [at('fd00::5'), at('fe80::1')] }, [], ['[fd00::5]:5']],
    ['bridges last', '0.0.0.0:5', { docker0: [at('172.17.0.1')], bond0: wire }, [], ['10.0.0.5:5', '172.17.0.1:5']],
    [
      'observed first',
      '[::]:5',
      { a: [at('10.0.0.1')], b: [at('fd00::2')] },
      ['fd00::2'],
      ['[fd00::2]:5', '10.0.0.1:5'],
    ],
    [
      'what is no address of this host does not count',
      '0.0.0.0:5',
      { a: [at('10.0.0.1')] },
      ['1.2.3.4'],
      ['10.0.0.1:5'],
    ],
    ['one address once', '0.0.0.0:5', { a: [at('10.0.0.1')], b: [at('10.0.0.1')] }, [], ['10.0.0.1:5']],
  ]
  for (const [name, listen, interfaces, observed, expected] of cases) {
    assert.deepEqual(reachableAddresses(addressOf(listen), interfaces, observed), expected, name)
  }
  const many = reachableAddresses({ host: '0.0.0.0', port: 5 }, { ...bridges, eth9: wire })
  assert.equal(many.length, 8)
  assert.equal(many[0], '10.0.0.5:5')
})

test('what a peer announces is taken in the light of where it comes from', () => {
  const cases: [announced: string[], remote: string | undefined, expected: string[]][] = [
    [['10.0.0.1:5', '10.0.0.2:5'], '10.0.0.2', ['10.0.0.2:5', '10.0.0.1:5']],
    [['10.0.0.1:5'], '10.9.9.9', ['10.0.0.1:5']],
    [['127.0.0.1:5'], '10.0.0.2', ['10.0.0.2:5']],
    [['127.0.0.1:5'], '127.0.0.1', ['127.0.0.1:5']],
    [['127.0.0.1:5'], 'fd00::2', ['[fd00::2]:5']],
    [['cache.example:5'], '10.0.0.2', ['cache.example:5']],
    [[], '10.0.0.2', []],
    [['10.0.0.1:5'], undefined, ['10.0.0.1:5']],
  ]
  for (const [announced, remote, expected] of cases) assert.deepEqual(peerAddresses(announced, remote), expected)
  assert.equal(plainHost('::ffff:10.0.0.1'), '10.0.0.1')
  assert.equal(plainHost('fd00::1'), 'fd00::1')
})

test('a system that cannot name its interfaces just now, for want of a file, changes nothing', () => {
  const clock = new ManualClock()
  const changes: (readonly string[])[] = []
  let looks = 0
  using own = new OwnAddresses(
    { host: '0.0.0.0', port: 5 },
    {
      clock,
      interfaces: () => {
        if (looks++ > 0) throw new Error('EMFILE')
        return { eth0: [at('10.0.0.1')] }
      },
      changed: (addresses) => changes.push(addresses),
    },
  )
  clock.advance(3_000)
  clock.advance(3_000)
  assert.ok(looks > 1)
  assert.deepEqual(own.current, ['10.0.0.1:5'])
  assert.deepEqual(changes, [])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressGroup, placeOf, plainAddress } from '../../../src/swarm/address-group.ts'
import type { Waiting } from '../../../src/swarm/arrival-order.ts'
import { comesNext, givesWay } from '../../../src/swarm/arrival-order.ts'

function waiting(group: string, quietLooks = 0): Waiting {
  return { group, quietLooks }
}

const nobody = (): boolean => false

test('one address is one whatever its writing, and 64 bits of IPv6 are one group', () => {
  for (const text of ['::ffff:10.0.0.1', '::FFFF:10.0.0.1', '10.0.0.1']) assert.equal(plainAddress(text), '10.0.0.1')
  for (const text of ['fe80::1%eth0', 'FE80:0:0:0:0:0:0:1', 'fe80::0001']) {
    assert.equal(plainAddress(text), 'fe80:0:0:0:0:0:0:1')
  }
  assert.equal(plainAddress('::'), '0:0:0:0:0:0:0:0')
  assert.equal(placeOf('::1', 7), '0:0:0:0:0:0:0:1 7')
  assert.equal(addressGroup('2001:db8:1:2:3:4:5:6'), addressGroup('2001:db8:1:2::'))
  assert.notEqual(addressGroup('2001:db8:1:2::1'), addressGroup('2001:db8:1:3::1'))
  assert.notEqual(addressGroup('10.0.0.1'), addressGroup('10.0.0.2'))
})

test('the one that has been quiet longest gives way, of the address that has most', () => {
  const flood = Array.from({ length: 20 }, (_, i) => waiting('flood', 20 - i))
  const old = waiting('other', 50)
  assert.equal(givesWay([old, ...flood], 3), flood[0])
})

test('one that is being served does not give way, and when all are, the newcomer does', () => {
  const flood = Array.from({ length: 20 }, () => waiting('flood', 2))
  assert.equal(givesWay(flood, 3), undefined)
  const quiet = waiting('other', 3)
  assert.equal(givesWay([...flood, quiet], 3), quiet)
})

test('members come first, then the address that is served least, then who came first', () => {
  const [first, second, other] = [waiting('flood'), waiting('flood'), waiting('other')]
  assert.equal(comesNext([first, second, other], [waiting('flood')], nobody), other)
  assert.equal(comesNext([first, second, other], [], nobody), first)
  assert.equal(
    comesNext([other, first, second], [waiting('flood'), waiting('flood')], (group) => group === 'flood'),
    first,
  )
  assert.equal(comesNext([], [], nobody), undefined)
})

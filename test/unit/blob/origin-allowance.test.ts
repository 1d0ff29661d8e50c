import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/base/log.ts'
import type { AskedFor } from '../../../src/blob/origin-allowance.ts'
import { OriginAllowance } from '../../../src/blob/origin-allowance.ts'
import type { PeerLink } from '../../../src/swarm/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'

/** A link is used for what it says of its peer only. */
function link(key: string, remote: string, role: 'agent' | 'cache' = 'agent'): PeerLink {
  return { peer: { key, role }, remote } as unknown as PeerLink
}

function allowance(): { readonly clock: ManualClock; readonly of: OriginAllowance } {
  const clock = new ManualClock()
  const isCache = ({ peer }: PeerLink): boolean => peer.role === 'cache'
  return { clock, of: new OriginAllowance({ clock, logger: silentLogger, isCache }) }
}

/** Asks for what does not exist until it may not, `most` times at most. */
function waste(of: OriginAllowance, who: PeerLink, kind: AskedFor, most: number): number {
  for (let n = 0; n < most; n++) {
    const asker = of.asker(who, kind, 'forPeer')
    if (!asker.mayAsk) return n
    asker.charge()
  }
  return most
}

test('a member may look for so many things that do not exist, and then for a few each second', () => {
  const { clock, of } = allowance()
  const member = link('liar', '10.0.0.1')
  assert.equal(waste(of, member, 'digest', 10_000), 128)
  clock.advance(10_000)
  assert.equal(waste(of, member, 'digest', 10_000), 20)
})

test('many identities from one address share what the address may, and others go on', () => {
  const { of } = allowance()
  let wasted = 0
  for (let n = 0; n < 1_000; n++) wasted += waste(of, link(`ghost${n}`, '10.0.0.1'), 'digest', 10_000)
  assert.equal(wasted, 8 * 128)
  assert.equal(of.asker(link('honest', '10.0.0.2'), 'digest', 'forPeer').mayAsk, true)
})

test('addresses of one IPv6 subnet are one', () => {
  const { of } = allowance()
  let wasted = 0
  for (let n = 0; n < 1_000; n++) wasted += waste(of, link(`ghost${n}`, `2001:db8:1:2::${n}`), 'digest', 10_000)
  assert.equal(wasted, 8 * 128)
})

test('what many addresses have spent in all is not missing to who has asked for little', () => {
  const { of } = allowance()
  let wasted = 0
  for (let n = 0; n < 256; n++) wasted += waste(of, link(`ghost${n}`, `10.0.1.${n}`), 'digest', 10_000)
  assert.ok(wasted < 32 * 128 + 256 * 40, `${wasted} questions`)
  const honest = link('honest', '10.0.0.2')
  assert.equal(waste(of, honest, 'tag', 100), 100)
})

test('a host that resolves 64 images, and a thousand that do so from one address, are not held back', () => {
  const { of } = allowance()
  // in the other upstream of its search order, and three tags of signatures
  assert.equal(waste(of, link('host', '10.0.0.1'), 'tag', 4 * 64), 4 * 64)
  // what one host has looked for is remembered: the next ones do not ask the origin
  for (let n = 0; n < 1_000; n++) assert.equal(waste(of, link(`host${n}`, '10.0.0.3'), 'tag', 3), 3)
})

test('a cache that asks for its region may ask more than a member, and not without end', () => {
  const { of } = allowance()
  assert.equal(waste(of, link('cache', '10.0.0.1', 'cache'), 'digest', 100_000), 16 * 128)
})

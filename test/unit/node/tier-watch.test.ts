import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Events } from '../../../src/base/events.ts'
import type { Logger } from '../../../src/base/log.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { TierWatch } from '../../../src/node/tier-watch.ts'
import type { PeerLink } from '../../../src/swarm/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const CACHE = {
  peer: { key: 'a cache', role: 'cache', region: 'eu', addresses: ['10.0.0.2:7071'] },
} as unknown as PeerLink
const HOST = { peer: { key: 'a host', role: 'agent', region: 'eu', addresses: [] } } as unknown as PeerLink

function watching() {
  const clock = new ManualClock()
  const events = new Events(clock)
  const said: string[] = []
  const logger: Logger = {
    ...silentLogger,
    warn: (_fields, message) => void said.push(`warn ${message}`),
    info: (_fields, message) => void said.push(`info ${message}`),
  }
  const tier = { state: 'linked' as 'own' | 'linked' | 'acting' }
  const status = () => ({ state: tier.state, standIns: 0, caches: [], parents: [] })
  const watch = new TierWatch({ clock, events, logger, tier: { status } })
  return { clock, events, said, tier, watch }
}

test('the tier is told when it goes and when it comes back', () => {
  const { clock, events, said, tier, watch } = watching()
  watch.settled()
  assert.equal(said.length, 0)
  tier.state = 'acting'
  watch.changed(CACHE, 'lost')
  assert.deepEqual(said, ['warn no cache of this region answers: its hosts stand in for them, in turns'])
  // that a new link is to a cache of the configuration is known a moment later
  watch.changed(CACHE, 'linked')
  tier.state = 'linked'
  assert.equal(said.length, 1)
  clock.advance(1_000)
  assert.equal(said[1], 'info caches of this region answer again')
  const told = events.since(0).map(({ kind, fields }) => [kind, (fields as { change: string }).change])
  assert.deepEqual(told, [
    ['tier', 'lost'],
    ['tier', 'state'],
    ['tier', 'linked'],
    ['tier', 'state'],
  ])
})

test('a host that starts while no cache answers says so once, and nothing of links to other hosts', () => {
  const { events, said, tier, watch } = watching()
  tier.state = 'acting'
  watch.settled()
  watch.settled()
  watch.changed(HOST, 'linked')
  assert.equal(said.length, 1)
  assert.deepEqual(events.since(0), [])
})

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { runCommand } from '../../bench/fleet/command.ts'
import { Namespaces } from '../../bench/fleet/namespaces.ts'
import type { NetworkedHost } from '../support/network-fleet.ts'
import { NEEDS_NAMESPACES, NetworkFleet, pull } from '../support/network-fleet.ts'

const MIB = 1024 * 1024

/** A pull; then the fault, and another one. */
function pullingThrough(
  inject: (agent: NetworkedHost, cache: NetworkedHost) => Promise<unknown>,
): (t: TestContext) => Promise<void> {
  return async (t) => {
    const fleet = await NetworkFleet.create(t)
    const first = await fleet.image('team/app1', { sizeBytes: 6 * MIB, layerCount: 3, seed: 1 })
    const second = await fleet.image('team/app2', { sizeBytes: 6 * MIB, layerCount: 3, seed: 2 })
    const cache = await fleet.start({ role: 'cache' })
    const agent = await fleet.start({ role: 'agent', caches: [cache] })
    await pull(agent, first, 'team/app1')
    await inject(agent, cache)
    await pull(agent, second, 'team/app2')
  }
}

describe('packets of which nobody hears again', NEEDS_NAMESPACES, () => {
  test(
    'a link that carries small packets only, and tells nobody: the pull ends',
    pullingThrough(({ host }) => runCommand('ip', '-n', host.namespace, 'link', 'set', 'eth0', 'mtu', '600')),
  )

  test(
    'a cache that loses its power ends no connection: the pull ends',
    pullingThrough((_agent, { host }) => runCommand('ip', '-n', host.namespace, 'link', 'set', 'eth0', 'down')),
  )
})

test('a run that begins removes no namespace of a test that runs', NEEDS_NAMESPACES, async () => {
  await using running = await Namespaces.open()
  const name = await running.add('kept')
  await using _beginning = await Namespaces.open()
  assert.ok((await runCommand('ip', 'netns', 'list')).includes(name))
})

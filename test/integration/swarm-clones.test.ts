import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import type { TestHost } from './swarm-support.ts'
import { TestFleet } from './swarm-support.ts'

// a busy machine may need a second for what takes milliseconds
const LIMITS = { pingIntervalMs: 1_000, handshakeTimeoutMs: 2_000 }

/** Dials again and again, as hosts do with their caches, until told to stop. */
function keepDialling(host: TestHost, address: string): AsyncDisposable {
  const stop = new AbortController()
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await host.swarm.connectAddress(address, stop.signal).catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  return {
    [Symbol.asyncDispose]: () => {
      stop.abort()
      return loop
    },
  }
}

/** As hosts do; a busy machine may need a second try within the limits above. */
async function linked(host: TestHost, address: string): Promise<void> {
  await using _dialling = keepDialling(host, address)
  await eventually('it is linked', () => host.swarm.links.size === 1)
}

const named = ({ logger }: TestHost): number => logger.warnings.filter((line) => /identity/.test(line)).length

test('two hosts with one identity: the first keeps its link, and all three say what is wrong', async () => {
  await using fleet = await TestFleet.create()
  const identityPath = join(fleet.directory, 'copied')
  const cache = await fleet.host({ role: 'cache', limits: LIMITS })
  const [first, second] = [
    await fleet.host({ identityPath, limits: LIMITS }),
    await fleet.host({ identityPath, limits: LIMITS }),
  ]
  const key = first.swarm.self.key
  assert.equal(second.swarm.self.key, key)
  await linked(first, cache.address)
  await using _dialling = keepDialling(second, cache.address)
  await eventually('the clones are named', () => cache.swarm.clones.length > 0 && second.swarm.clones.length > 0)
  const [clone] = cache.swarm.clones
  assert.deepEqual([clone?.key, new Set(clone?.addresses)], [key, new Set([first.address, second.address])])
  assert.equal(second.swarm.clones[0]?.key, key)
  assert.deepEqual([named(cache), named(second)], [1, 1])
  assert.equal(cache.metrics.peers().get('unknown/clone'), 1)
  assert.deepEqual([cache.events.unlinkedPeers.length, second.swarm.links.size], [0, 0], 'no link was driven out')
})

test('a host that comes back from another address gets its place once its old link is dead', async () => {
  await using fleet = await TestFleet.create()
  const identityPath = join(fleet.directory, 'moved')
  const cache = await fleet.host({ role: 'cache', limits: LIMITS })
  // so slow to say anything that its link counts as dead: as of a host that lost its power
  const before = await fleet.host({ identityPath, limits: { ...LIMITS, pingIntervalMs: 60_000 } })
  await linked(before, cache.address)
  const after = await fleet.host({ identityPath, limits: LIMITS })
  await using _dialling = keepDialling(after, cache.address)
  await eventually('the host that is alive is linked', () => after.swarm.links.size === 1)
  assert.deepEqual([cache.swarm.clones.length, named(cache)], [0, 0])
})

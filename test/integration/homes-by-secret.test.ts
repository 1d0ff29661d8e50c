import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { tagName } from '../../src/oci/reference.ts'
import { hash53 } from '../../src/scheduler/hash.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { soon, TestFleet } from './swarm-support.ts'

const UP = 'registry.test'
const REPOSITORY = 'team/app'
const NAMES = Array.from({ length: 8 }, (_, n) => `v${n}`)

/** Of many secrets the one that ranks first for a key: nobody but chance can beat it. */
function ground(key: string): string {
  let best = ''
  for (let n = 0; n < 4_000; n++) {
    const rank = randomBytes(16).toString('base64url')
    if (best === '' || hash53(`${rank} ${key}`) > hash53(`${best} ${key}`)) best = rank
  }
  return best
}

async function secretOf(node: TestNode): Promise<string> {
  return (await readFile(join(node.storeDir, 'identity.homes'), 'utf8')).trim()
}

test('a member that has ground what it ranks by is asked for nothing while there is a cache', async (t) => {
  const key = generateFleetKey()
  const fleetKey = agentKeyOf(key)
  const fleet = await NodeFleet.create(t)
  const members = await TestFleet.create()
  t.after(() => members[Symbol.asyncDispose]())
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1 })
  let origin = ''
  for (const name of NAMES) origin = await fleet.push('origin', REPOSITORY, name, image)
  const upstreams = [directoryUpstream(UP, origin)]
  const cache = await fleet.start({ role: 'cache', upstreams, key: formatFleetKey(key) })
  const agent = await fleet.start({ upstreams, caches: [cache], key: formatFleetKey(fleetKey) })
  const asked: string[] = []
  const liars = []
  for (const [n, name] of NAMES.entries()) {
    const rank = ground(tagName({ upstream: UP, repository: REPOSITORY, tag: name }))
    await writeFile(join(members.directory, `identity-${n}.homes`), `${rank}\n`, { mode: 0o600 })
    const liar = await members.host({ region: 'default', fleetKey })
    assert.equal(liar.swarm.self.rank, rank)
    liar.events.answer = async (question) => {
      if (question !== 'members') asked.push(question)
      return { kind: 'refused', reason: 'unknown', message: 'no' }
    }
    for (const host of [cache, agent]) await liar.swarm.connectAddress(host.peerAddress, soon())
    liars.push(liar)
  }
  await eventually('all of them are linked', async () => {
    return (await agent.metrics()).sum('shoal_peers', { role: 'agent', state: 'linked' }) === liars.length
  })
  for (const name of NAMES) assert.equal((await agent.manifest(UP, REPOSITORY, name)).digest, image.manifest.digest)
  await agent.pull(UP, REPOSITORY, 'v0', image)
  assert.deepEqual(asked, [])
  assert.equal(await agent.originRequests(), 0)
})

test('every host has a secret of its own, for its owner only; two regions have nothing in common', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', REPOSITORY, 'v1', image))]
  const hosts = await Promise.all(
    ['north', 'north', 'south', 'south'].map((region) => fleet.start({ role: 'cache', region, upstreams })),
  )
  const secrets = await Promise.all(hosts.map(secretOf))
  assert.equal(new Set(secrets).size, hosts.length)
  for (const { storeDir } of hosts) {
    assert.equal((await stat(join(storeDir, 'identity.homes'))).mode & 0o777, 0o600)
  }
})

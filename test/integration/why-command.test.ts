import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { UpstreamConfig } from '../../src/config/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import type { CommandResult } from '../support/run-command.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024
const UP = 'registry.corp'
const DEAD = {
  name: 'dead.corp',
  access: 'node',
  origins: [{ kind: 'registry', url: 'http://127.0.0.1:1', credentials: null }],
} as unknown as UpstreamConfig

function why({ adminUrl, storeDir }: TestNode, reference: string, ...flags: string[]): Promise<CommandResult> {
  return runCommand(['why', reference, '--admin', adminUrl, '--token-file', join(storeDir, 'admin.token'), ...flags])
}

async function region(t: TestContext) {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 2 * MIB, layerCount: 2 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'app', 'v1', image)), DEAD]
  const { cache, agents } = await fleet.region({ upstreams }, 1)
  const [agent] = agents
  assert.ok(agent !== undefined)
  return { fleet, image, cache, agent }
}

test('shoal why tells of an image here, at its home and at the origin, and what became of its pulls', async (t) => {
  const { image, agent, cache } = await region(t)
  const before = await why(agent, `${UP}/app:v1`)
  assert.match(before.stdout, /^Here +the tag is not known; nothing stored$/m)
  assert.match(before.stdout, new RegExp(`^Home +cache ${cache.peerAddress}: ${image.manifest.digest} `, 'm'))
  assert.match(before.stdout, new RegExp(`^Origin +.*: ${image.manifest.digest} `, 'm'))
  assert.equal(before.code, 0)
  await runCommand(['pull', `${UP}/app:v1`, '--mirror', `http://${agent.node.addresses.mirror}`])
  // what became of a pull is told once its last answer has ended, which may be after its client has gone
  const told = await eventually('all blobs are on the disk, and the pull is over', async () => {
    const now = await why(agent, `${UP}/app:v1`)
    return /; 3 of 3 blobs stored$/m.test(now.stdout) && /^Lately /m.test(now.stdout) ? now : undefined
  })
  assert.ok(told !== undefined)
  const { stdout, code } = told
  assert.match(stdout, /^Lately +\S+Z pull, shoal\/\S+: done$/m)
  assert.match(stdout, /^So +a pull is served from this host$/m)
  assert.equal(code, 0)
})

test('shoal why tells a tag that there is not from an origin that is down and an upstream that is not configured', async (t) => {
  const { agent } = await region(t)
  const missing = await why(agent, `${UP}/app:v2`)
  assert.match(missing.stdout, /^Home +cache \S+: unknown, registry\.corp\/app has no tag v2 /m)
  assert.match(missing.stdout, /^So +pulls are answered 404, .*no such image$/m)
  const dead = await why(agent, 'dead.corp/app:v1')
  assert.match(dead.stdout, /^Origin +registry http:\/\/127\.0\.0\.1:1: unavailable, .*ECONNREFUSED/m)
  assert.match(dead.stdout, /is unreachable: nothing listens there: check the address, and whether it runs/)
  const strange = await why(agent, 'typo.corp/app:v1')
  assert.match(strange.stdout, /^So +.*add an upstream called typo\.corp .*registry\.corp, dead\.corp\)$/m)
  assert.deepEqual([missing.code, dead.code, strange.code], [1, 1, 1])
})

test('shoal why says that a tag has moved, and what pulls get until it is asked again', async (t) => {
  const { fleet, image, cache } = await region(t)
  await cache.pull(UP, 'app', 'v1', image)
  const next = await fleet.image({ sizeBytes: MIB, layerCount: 1, seed: 7 })
  await fleet.push('origin', 'app', 'v1', next)
  const { stdout } = await why(cache, `${UP}/app:v1`)
  assert.match(stdout, /^Home +this host \(cache\) asks the origin itself$/m)
  assert.match(
    stdout,
    new RegExp(`^So +the tag has moved: until it is asked again, pulls get ${image.manifest.digest}$`, 'm'),
  )
})

test('shoal why --json is one object, and the reference is read before anybody is asked', async (t) => {
  const { agent } = await region(t)
  const { stdout } = await why(agent, `${UP}/app:v1`, '--json')
  assert.equal(JSON.parse(stdout).reference, `${UP}/app:v1`)
  assert.equal((await why(agent, 'NOT A REFERENCE')).code, 2)
})

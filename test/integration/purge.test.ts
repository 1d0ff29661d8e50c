import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { BuiltImage } from '../../src/demo/index.ts'
import type { PurgeView } from '../../src/purge/index.ts'
import { purgeViewSchema } from '../../src/purge/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/trust/index.ts'
import { eventually } from '../support/eventually.ts'
import type { HostSpec, TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'

const KIB = 1024
const MIB = 1024 * KIB
const UP = 'registry.test'
const REPOSITORY = 'team/app'
const IMAGE = `${UP}/${REPOSITORY}:v1`

/** Two regions, and an image on every host of both. */
interface TwoRegions {
  readonly fleet: NodeFleet
  readonly image: BuiltImage
  readonly core: TestNode
  readonly cache: TestNode
  readonly agents: readonly TestNode[]
  readonly agentSpec: HostSpec
  /** The cache key's file: what an operator holds in a small fleet. */
  readonly credential: string
}

async function twoRegions(t: TestContext, options: Partial<HostSpec> = {}): Promise<TwoRegions> {
  const fleet = await NodeFleet.create(t)
  const fleetKey = generateFleetKey()
  const key = formatFleetKey(fleetKey)
  const credential = join(fleet.directory, 'operator.key')
  await writeFile(credential, key, { mode: 0o600 })
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 2 })
  const path = await fleet.push('origin', REPOSITORY, 'v1', image)
  const upstreams = [directoryUpstream(UP, path)]
  const tags = { ttlMs: 3_600_000 }
  const core = await fleet.start({ role: 'cache', region: 'core', upstreams, tags, key })
  const parent = { region: 'core', caches: [core] }
  const cache = await fleet.start({ role: 'cache', region: 'edge', parent, upstreams, tags, key })
  const agentSpec: HostSpec = {
    region: 'edge',
    caches: [cache],
    parent,
    upstreams,
    tags,
    ...options,
    key: formatFleetKey(agentKeyOf(fleetKey)),
  }
  const agents = [await fleet.start(agentSpec), await fleet.start(agentSpec)]
  for (const agent of agents) await agent.pull(UP, REPOSITORY, 'v1', image)
  await eventually('all of it is stored', async () => {
    const counts = await Promise.all([...agents, cache].map(async (host) => (await host.storedDigests()).length))
    return counts.every((count) => count === 4)
  })
  return { fleet, image, core, cache, agents, agentSpec, credential }
}

async function purge(host: TestNode, ...args: string[]): Promise<{ code: number; view: PurgeView; stderr: string }> {
  const own = ['--admin', host.adminUrl, '--token-file', join(host.storeDir, 'admin.token')]
  const { code, stdout, stderr } = await runCommand(['purge', ...args, '--json', ...own])
  assert.notEqual(stdout, '', stderr)
  return { code, view: purgeViewSchema.parse(JSON.parse(stdout)), stderr }
}

/** As a registry deletes a tag, its image, and collects what nothing refers to. */
async function deleteAtOrigin(fleet: NodeFleet): Promise<void> {
  await rm(join(fleet.directory, 'origin', 'docker'), { recursive: true })
}

async function storedBytes(hosts: readonly TestNode[]): Promise<number> {
  const all = await Promise.all(hosts.map((host) => host.admin('blobs')))
  const blobs = all.flatMap((answer) => (answer as { blobs: { storedBytes: number }[] }).blobs) // the server's own JSON
  return blobs.reduce((sum, blob) => sum + blob.storedBytes, 0)
}

test('an image that is gone at the registry leaves every cache and host of two regions', async (t) => {
  const { fleet, image, core, cache, agents, credential } = await twoRegions(t)
  const everybody = [core, cache, ...agents]
  const before = await storedBytes(everybody)
  await deleteAtOrigin(fleet)

  const [agent] = agents as readonly [TestNode]
  const counted = await purge(agent, IMAGE, '--dry-run', '--credential', credential)
  assert.equal(counted.code, 0, counted.stderr)
  assert.equal(await storedBytes(everybody), before, 'a dry run takes nothing')
  const { code, view, stderr } = await purge(agent, IMAGE, '--credential', credential)
  assert.equal(code, 0, stderr)
  assert.equal(view.complete, true)
  assert.deepEqual(
    view.regions.map(({ region, hosts, done, missing }) => [region, hosts, done, missing.length]).sort(),
    [
      ['core', 1, 1, 0],
      ['edge', 3, 3, 0],
    ],
  )
  const freed = (one: PurgeView): number => one.regions.reduce((sum, { freedBytes }) => sum + freedBytes, 0)
  assert.deepEqual([freed(counted.view), freed(view)], [before, before], 'all of it, as the dry run has counted')
  assert.equal(await storedBytes(everybody), 0)
  for (const host of everybody) {
    assert.equal((await host.manifest(UP, REPOSITORY, 'v1')).status, 404)
    assert.equal((await host.manifest(UP, REPOSITORY, image.manifest.digest)).status, 404)
    assert.equal(await host.blobDigest(UP, REPOSITORY, image.layers[0]!.digest), 404)
  }
})

test('what another tag, another repository and a pin need stays, and is pulled without the origin', async (t) => {
  const { fleet, image, core, cache, agents } = await twoRegions(t)
  const [agent, other] = agents as readonly [TestNode, TestNode]
  await fleet.push('origin', 'team/copy', 'v1', image)
  await agent.pull(UP, 'team/copy', 'v1', image)
  await other.admin('pins', { reference: IMAGE, for: '1h' })
  await rm(join(fleet.directory, 'origin', 'docker/registry/v2/repositories', REPOSITORY), { recursive: true })

  const { code, view, stderr } = await purge(core, IMAGE)
  assert.equal(code, 0, stderr)
  const edge = view.regions.find(({ region }) => region === 'edge')
  assert.ok((edge?.keptBytes ?? 0) >= 2 * MIB, 'two hosts keep it')
  await agent.pull(UP, 'team/copy', 'v1', image)
  assert.equal((await agent.manifest(UP, REPOSITORY, 'v1')).status, 404)
  const [layer] = image.layers
  assert.equal(await agent.blobDigest(UP, REPOSITORY, layer!.digest), 404, 'it is of another repository now')
  assert.ok((await other.storedDigests()).includes(layer!.digest), 'it is pinned')
  assert.ok((await cache.storedDigests()).includes(layer!.digest), 'the cache has it for the other repository')
})

test('a pull that is under way ends whole, and its blobs go after it', async (t) => {
  const { fleet, image, core, agentSpec } = await twoRegions(t)
  const slow = await fleet.start({ ...agentSpec, limits: { download: 16 * KIB } })
  assert.equal((await slow.manifest(UP, REPOSITORY, 'v1')).status, 200)
  const digests = [image.config, ...image.layers].map(({ digest }) => digest)
  const bodies = Promise.all(digests.map((digest) => slow.blobDigest(UP, REPOSITORY, digest)))
  await eventually('layers arrive', async () => {
    const { transfers } = (await slow.admin('transfers')) as { transfers: { haveBytes: number }[] }
    return transfers.length > 0
  })
  await deleteAtOrigin(fleet)
  const { view, code } = await purge(core, IMAGE, '--timeout', '1ms')
  assert.equal(code, 1, 'a host has not done it yet')
  await eventually('the slow host waits for its pull', async () => {
    const { view: now } = await show(core, view.id)
    return now.regions.some(({ missing }) => missing.some((host) => host.includes('under way')))
  })
  await slow.setLimits({ download: 0 })
  assert.deepEqual(await bodies, digests)
  await eventually('all of it is gone', async () => (await show(core, view.id)).view.complete)
  assert.deepEqual(await slow.storedDigests(), [])
})

test('a host that was away does it when it comes back, and is named until then', async (t) => {
  const { fleet, core, agents, agentSpec } = await twoRegions(t)
  const [, away] = agents as readonly [TestNode, TestNode]
  await away.node[Symbol.asyncDispose]()
  await deleteAtOrigin(fleet)
  const { code, view } = await purge(core, IMAGE, '--timeout', '1ms')
  assert.equal(code, 1)
  await eventually('the others have done it', async () => {
    const { view: now } = await show(core, view.id)
    const edge = now.regions.find(({ region }) => region === 'edge')
    return edge?.done === 2 && edge.hosts === 3 && edge.missing.length === 1
  })

  const back = await fleet.start({ ...agentSpec, store: { path: away.storeDir } })
  await eventually('it is complete', async () => (await show(core, view.id)).view.complete)
  assert.deepEqual(await back.storedDigests(), [])
  assert.equal((await back.manifest(UP, REPOSITORY, 'v1')).status, 404)
})

test('a webhook that tells of a deletion has it done, once the registry says so itself', async (t) => {
  const fleet = await NodeFleet.create(t)
  const secret = 'the-secret-of-the-rule'
  const secretFile = join(fleet.directory, 'hook.secret')
  await writeFile(secretFile, secret, { mode: 0o600 })
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', REPOSITORY, 'v1', image))]
  const hook = { source: 'distribution', upstream: UP, repository: '**', tag: '*', purge: true, secretFile } as const
  const spec: HostSpec = { upstreams, tags: { ttlMs: 3_600_000 }, prewarm: { hooks: [{ ...hook, options: {} }] } }
  const { cache, agents } = await fleet.region(spec, 1)
  const [agent] = agents as [TestNode]
  await agent.pull(UP, REPOSITORY, 'v1', image)
  await deleteAtOrigin(fleet)
  const target = { repository: REPOSITORY, tag: 'v1', digest: image.manifest.digest }
  const body = JSON.stringify({ events: [{ action: 'delete', target }] })
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
  const { status } = await fetch(`${cache.adminUrl}/hooks/distribution`, { method: 'POST', headers, body })
  assert.equal(status, 202)
  await eventually('it is gone everywhere', async () => (await storedBytes([cache, agent])) === 0)
  assert.equal((await agent.manifest(UP, REPOSITORY, 'v1')).status, 404)
})

test('a purge is for whoever may act on the fleet, and means what it says', async (t) => {
  const { agents, core, image } = await twoRegions(t)
  const [agent] = agents as readonly [TestNode]
  const own = ['--admin', agent.adminUrl, '--token-file', join(agent.storeDir, 'admin.token')]
  const refused = await runCommand(['purge', IMAGE, ...own])
  assert.deepEqual([refused.code, /operator/.test(refused.stderr)], [2, true], refused.stderr)
  const bare = await runCommand(['purge', `${UP}/${REPOSITORY}`, ...own])
  assert.deepEqual([bare.code, /--repository/.test(bare.stderr)], [2, true], bare.stderr)
  await agent.pull(UP, REPOSITORY, 'v1', image)

  const { view } = await purge(core, `${UP}/${REPOSITORY}`, '--repository')
  assert.deepEqual([view.complete, view.images], [true, [`${UP}/${REPOSITORY}`]])
  assert.deepEqual(await agent.storedDigests(), [])
  // the registry has it still
  await agent.pull(UP, REPOSITORY, 'v1', image)
  assert.ok((await agent.storedDigests()).length > 0)
})

async function show(host: TestNode, id: string): Promise<{ view: PurgeView }> {
  return { view: purgeViewSchema.parse(await host.admin(`purge/${id}`)) }
}

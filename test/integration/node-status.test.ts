import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { formatFleetKey, generateFleetKey } from '../../src/trust/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024

const statusSchema = z.object({
  role: z.string(),
  region: z.string(),
  tier: z.object({ state: z.string(), caches: z.array(z.object({ state: z.string() })) }),
  peers: z.object({ linked: z.number(), caches: z.number() }),
  received: z.object({ home: z.number(), peer: z.number() }),
  sent: z.object({ runtime: z.number() }),
  transfersActive: z.number(),
  upstreams: z.array(z.object({ name: z.string(), access: z.string() })),
})
const transfersSchema = z.object({
  transfers: z.array(z.object({ digest: z.string(), sizeBytes: z.number(), haveBytes: z.number(), state: z.string() })),
})
const peersSchema = z.object({ peers: z.array(z.object({ role: z.string(), receivedBytes: z.number() })) })

test("a host's status tells its tier, its links, what moves and where it came from", async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 3 * MIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams, limits: { upload: 512 * 1024 } }, 1)
  const agent = agents[0]!
  const layer = image.layers[0]!
  const pulled = agent.pull(UP, 'team/app', 'v1', image)
  const running = await eventually('the layer is on its way', async () => {
    const { transfers } = transfersSchema.parse(await agent.admin('transfers'))
    return transfers.find(({ digest, haveBytes }) => digest === layer.digest && haveBytes > 0)
  })
  assert.ok(running !== undefined)
  assert.ok(running.state === 'running' && running.sizeBytes === layer.size && running.haveBytes <= layer.size)
  await cache.setLimits({ upload: 0 })
  await pulled
  const status = statusSchema.parse(await agent.admin('status'))
  assert.deepEqual([status.role, status.region, status.tier.state], ['agent', 'default', 'linked'])
  assert.deepEqual([status.peers, status.tier.caches], [{ linked: 1, caches: 1 }, [{ state: 'linked' }]])
  assert.equal(status.received.home, layer.size + image.config.size)
  assert.equal(status.sent.runtime, image.sizeBytes)
  assert.deepEqual(status.upstreams, [{ name: UP, access: 'public' }])
  const { peers } = peersSchema.parse(await agent.admin('peers'))
  assert.deepEqual(peers, [{ role: 'cache', receivedBytes: layer.size + image.config.size }])
  await eventually('nothing moves any more', async () => {
    return statusSchema.parse(await agent.admin('status')).transfersActive === 0
  })
})

test('limits change while the host runs', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1 })
  const node = await fleet.start({ upstreams: [directoryUpstream(UP, await fleet.push('origin', 'app', 'v1', image))] })
  await node.setLimits({ upload: 5 * MIB })
  assert.deepEqual(await node.admin('limits'), { upload: 5 * MIB, download: 0, origin: 0, prewarm: 0 })
  const { stdout } = await runCommand(['status', '--admin', node.adminUrl])
  assert.match(stdout, /^Limits +upload 5 MiB\/s$/m)
})

test('an origin that fails is told in status, metrics and readiness, and so is its return', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1 })
  const path = await fleet.push('origin', 'app', 'v1', image)
  const node = await fleet.start({ upstreams: [directoryUpstream(UP, path)] })
  const originSchema = z.object({
    upstreams: z.array(
      z.object({ origins: z.array(z.object({ trouble: z.object({ state: z.string() }).optional() })) }),
    ),
  })
  const state = async () => originSchema.parse(await node.admin('status')).upstreams[0]?.origins[0]?.trouble?.state
  assert.equal(await state(), undefined)
  await node.pull(UP, 'app', 'v1', image)
  // a directory that was there and is not any more has been lost: it does not say "no such tag"
  await rename(path, `${path}-away`)
  await assert.rejects(node.pull(UP, 'app', 'v2', image))
  assert.equal(await state(), 'unreachable')
  const count = async (state: string) => (await node.metrics()).sum('shoal_origin_state', { upstream: UP, state })
  assert.deepEqual([await count('unreachable'), await count('ok'), await count('denied')], [1, 0, 0])
  await rename(`${path}-away`, path)
  await assert.rejects(node.pull(UP, 'app', 'v3', image))
  assert.equal(await state(), undefined)
})

test("a host's metrics say what it is and how its tier stands, and count from zero", async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'app', 'v1', image))]
  const { agents } = await fleet.region({ upstreams }, 1)
  const metrics = await agents[0]!.metrics()
  const value = (name: string, labels: Readonly<Record<string, string>> = {}): number | undefined =>
    metrics.samples(name, labels)[0]?.value
  assert.equal(value('shoal_build_info', { role: 'agent', region: 'default' }), 1)
  for (const [state, is] of Object.entries({ linked: 1, acting: 0, own: 0 })) {
    assert.equal(value('shoal_tier_state', { state }), is)
  }
  for (const from of ['peer', 'home', 'parent', 'origin']) {
    assert.equal(value('shoal_received_bytes_total', { from }), 0)
  }
  assert.equal(value('shoal_origin_requests_total', { upstream: UP, kind: 'tag', result: 'ok' }), 0)
  assert.equal(value('shoal_oldest_transfer_seconds'), 0)
  assert.ok((value('shoal_store_free_bytes') ?? 0) > 0)
})

test('a host whose region no cache serves is not ready and says why; one whose caches are away is', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ role: 'cache', region: 'eu-1', upstreams })
  const misspelt = await fleet.start({ region: 'eu1', caches: [cache], upstreams })
  const right = await fleet.start({ region: 'eu-1', caches: [cache], upstreams })
  const ready = async (host: TestNode): Promise<readonly unknown[]> => {
    const response = await fetch(`${host.adminUrl}/readyz`)
    const { reason } = z.object({ reason: z.string() }).parse(await response.json())
    return [response.status, reason]
  }
  const why = `tier: ${cache.peerAddress} serves region eu-1, not this host's: mend tier.region or tier.caches`
  assert.deepEqual(await ready(misspelt), [503, why])
  await misspelt.pull(UP, 'team/app', 'v1', image)
  assert.deepEqual(await ready(right), [200, 'ok'])
  await cache.node[Symbol.asyncDispose]()
  const away = { ready: true, reason: 'ok', conditions: { tier: 'no cache of this region answers' } }
  await eventually('the cache is missed, by which a host is no less ready', async () => {
    const { conditions, ...said } = z
      .object({ ready: z.boolean(), reason: z.string(), conditions: z.object({ tier: z.string() }) })
      .parse(await (await fetch(`${right.adminUrl}/readyz`)).json())
    return isDeepStrictEqual({ ...said, conditions }, away)
  })
  assert.deepEqual(await ready(misspelt), [503, why], 'a mistake is not mended by a cache that is away')
})

test('a host with the key of another fleet says so beside the cache, in status and in its log, once', async (t) => {
  const fleet = await NodeFleet.create(t)
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', await fleet.image({})))]
  const cache = await fleet.start({ role: 'cache', upstreams, key: formatFleetKey(generateFleetKey()) })
  const host = await fleet.start({ caches: [cache], upstreams, key: formatFleetKey(generateFleetKey()) })
  const admin = ['--admin', host.adminUrl, '--token-file', join(host.storeDir, 'admin.token')]
  const { stdout } = await runCommand(['status', ...admin])
  assert.match(stdout, /^Tier .* unreachable: the peer (holds no key of this fleet|refuses this host: stranger)$/m)
})

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { UpstreamConfig } from '../../src/config/index.ts'
import { FakeRegistry } from '../support/fake-registry.ts'
import { NodeFleet } from '../support/node-fleet.ts'
import { runReferenceCommands } from '../support/reference-commands.ts'
import { runCommand } from '../support/run-command.ts'

async function fleetWithAny(t: TestContext, agents: number) {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 2 * 1024 * 1024, layerCount: 1 })
  const registry = await FakeRegistry.start(t, image)
  // a mirror that serves all: what can be reached without the internet
  const any: UpstreamConfig = { ...registry.upstream('*'), name: '*' }
  const region = await fleet.region({ upstreams: [any] }, agents)
  return { image, registry, ...region }
}

test('a registry that nobody configured is pulled through "*", by ns and by path, at one copy', async (t) => {
  const { image, registry, agents, cache } = await fleetWithAny(t, 2)
  const [one, two] = agents as [(typeof agents)[0], (typeof agents)[0]]
  await one.pull('quay.io', 'team/app', 'v1', image)
  const byPath = await fetch(`http://${two.node.addresses.mirror}/v2/quay.io/team/app/manifests/v1`)
  assert.equal(byPath.headers.get('docker-content-digest'), image.manifest.digest)
  await two.pull('quay.io', 'team/app', 'v1', image)
  const layers = image.layers.reduce((sum, { path: _, ...layer }) => sum + layer.size, image.config.size)
  assert.equal(registry.sentBytes, layers)
  assert.ok(registry.namespaces.size === 1 && registry.namespaces.has('quay.io'))
  // the other registry has the same layers: each must say so itself
  await one.pull('ghcr.io:5000', 'team/app', 'v1', image)
  assert.ok(registry.namespaces.has('ghcr.io:5000'))
  const { upstreams } = (await cache.admin('status')) as { upstreams: { name: string }[] }
  assert.deepEqual(
    upstreams.map(({ name }) => name),
    ['*'],
  )
})

test('what a request names is in no label, no readiness and no address that is not public', async (t) => {
  const { image, registry, agents } = await fleetWithAny(t, 1)
  const [agent] = agents as [(typeof agents)[0]]
  for (const ns of [
    'localhost:5000',
    '127.0.0.1',
    '169.254.169.254',
    '10.0.0.1:5000',
    'vault.internal',
    'a.svc:5000',
  ]) {
    assert.equal((await agent.manifest(ns, 'team/app', 'v1')).status, 404, ns)
  }
  assert.equal(registry.asked.length, 0)
  registry.hook = (_ask, response) => {
    response.writeHead(500).end()
    return true
  }
  const names = Array.from({ length: 100 }, (_, i) => `r${i}.example.com`)
  await Promise.all(names.map((name) => agent.manifest(name, 'team/app', image.manifest.digest)))
  const metrics = await (await fetch(`${agent.adminUrl}/metrics`, { headers: await agent.adminHeaders() })).text()
  assert.doesNotMatch(metrics, /example\.com/)
  assert.match(metrics, /shoal_origin_state\{upstream="\*",state="ok"\}/)
  assert.equal((await fetch(`${agent.adminUrl}/readyz?want=origin`)).status, 200)
})

test('commands know what "*" stands for: it is pulled, prewarmed, pinned and invalidated by its name', async (t) => {
  const { agents, cache } = await fleetWithAny(t, 1)
  const [agent] = agents as [(typeof agents)[0]]
  await runReferenceCommands(agent, cache, 'quay.io/team/app:v1')
  const { code, stderr } = await runCommand(['prewarm', 'vault.internal/team/app:v1', '--admin', cache.adminUrl])
  assert.equal(code, 1)
  assert.match(stderr, /no upstream is called vault\.internal/)
})

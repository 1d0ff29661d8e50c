import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { BuiltImage } from '../../src/demo/index.ts'
import type { HostSpec, TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import type { ReceivedSpan } from '../support/otlp-receiver.ts'
import { OtlpReceiver } from '../support/otlp-receiver.ts'

const UP = 'registry.corp'

/** OpenTelemetry's modules that this process has loaded. */
const loaded: string[] = []
registerHooks({
  load(url, context, next) {
    if (url.includes('@opentelemetry')) loaded.push(url)
    return next(url, context)
  },
})

/** A host with an image at its origin, what is done with it, and its end: by then all spans have been sent. */
async function traced(
  spec: Partial<HostSpec>,
  work: (node: TestNode, image: BuiltImage) => Promise<unknown>,
): Promise<BuiltImage> {
  await using fleet = await NodeFleet.open()
  const image = await fleet.image({ layerCount: 2 })
  const upstreams = [directoryUpstream(UP, await fleet.push('bucket', 'team/app', 'v1', image))]
  await work(await fleet.start({ ...spec, upstreams }), image)
  return image
}

async function receiver(t: TestContext): Promise<OtlpReceiver> {
  const started = await OtlpReceiver.start()
  t.after(() => started[Symbol.asyncDispose]())
  return started
}

const pull = (node: TestNode, image: BuiltImage): Promise<void> => node.pull(UP, 'team/app', 'v1', image)

function parentOf(spans: readonly ReceivedSpan[], { parent }: ReceivedSpan): ReceivedSpan | undefined {
  return spans.find(({ id }) => id === parent)
}

test('without tracing nothing of OpenTelemetry is loaded', async () => {
  await traced({}, pull)
  assert.deepEqual(loaded, [])
})

test('a pull is one trace: its requests, what the tag resolved to, its transfers and their origin ranges', async (t) => {
  const collector = await receiver(t)
  const image = await traced({ tracing: { endpoint: collector.endpoint }, region: 'eu-1' }, pull)
  assert.ok(loaded.length > 0)
  const { spans } = collector
  assert.equal(new Set(spans.map(({ trace }) => trace)).size, 1)
  const [root, ...others] = collector.named('pull')
  assert.ok(root !== undefined)
  assert.deepEqual([root.parent, others], [undefined, []])
  assert.equal(root.attributes['shoal.image'], `${UP}/team/app:v1`)
  assert.equal(root.attributes['shoal.result'], 'done')
  assert.equal(root.resource['service.name'], 'shoal')
  assert.equal(root.resource['shoal.region'], 'eu-1')
  // the manifest, the config, two layers
  const requests = collector.named('request')
  assert.equal(requests.length, 4)
  for (const request of requests) assert.equal(request.parent, root.id)
  const [resolve] = collector.named('resolve')
  assert.ok(resolve !== undefined)
  assert.equal(resolve.attributes['shoal.digest'], image.manifest.digest)
  assert.match(parentOf(spans, resolve)?.attributes['shoal.target'] ?? '', /manifests\/v1/)
  for (const layer of image.layers) {
    const transfer = collector.named('transfer').find(({ attributes }) => attributes['shoal.digest'] === layer.digest)
    assert.ok(transfer !== undefined, `no transfer of ${layer.digest}`)
    assert.equal(parentOf(spans, transfer)?.name, 'request')
    const ranges = collector.named('origin range').filter(({ parent }) => parent === transfer.id)
    assert.ok(ranges.length > 0, `nothing was read of ${layer.digest}`)
    for (const { start } of ranges) assert.ok(start >= transfer.start)
  }
})

test("a runtime's own trace is gone on with", async (t) => {
  const collector = await receiver(t)
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const headers = { traceparent: `00-${trace}-b7ad6b7169203331-01` }
  const tracing = { endpoint: collector.endpoint }
  await traced({ tracing }, async (node) => (await node.get(UP, 'team/app/manifests/v1', headers)).arrayBuffer())
  assert.deepEqual(new Set(collector.spans.map((span) => span.trace)), new Set([trace]))
  assert.equal(collector.named('pull')[0]?.parent, 'b7ad6b7169203331')
})

test('what is refused is a trace of its own', async (t) => {
  const collector = await receiver(t)
  const tracing = { endpoint: collector.endpoint }
  await traced({ tracing }, async (node) => (await node.get(UP, 'team/app/manifests/v9', {})).arrayBuffer())
  assert.equal(collector.named('request')[0]?.attributes['shoal.ending'], '404')
  assert.match(collector.named('resolve')[0]?.attributes['shoal.refusal'] ?? '', /has no tag v9/)
})

test('the environment of OpenTelemetry turns tracing on', async (t) => {
  const collector = await receiver(t)
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_SERVICE_NAME: 'mirror' }
  Object.assign(process.env, environment)
  t.after(() => {
    for (const name of Object.keys(environment)) delete process.env[name]
  })
  await traced({}, pull)
  assert.equal(collector.named('pull')[0]?.resource['service.name'], 'mirror')
})

test('a collector that is away costs no pull, and no stop', async () => {
  const collector = await OtlpReceiver.start()
  const { endpoint } = collector
  await collector[Symbol.asyncDispose]()
  await traced({ tracing: { endpoint } }, pull)
})

test('one trace shows the agent, its home, the region above and the origin', async (t) => {
  const collector = await receiver(t)
  const image = await pullThroughTiers({ endpoint: collector.endpoint })
  const { spans } = collector
  const [root] = collector.named('pull')
  assert.ok(root !== undefined)
  const own = spans.filter(({ trace }) => trace === root.trace)
  const regionsOf = (name: string): (string | undefined)[] =>
    own.filter((span) => span.name === name).map(({ resource }) => resource['shoal.region'] ?? '')
  assert.deepEqual(
    new Set(own.map(({ resource }) => `${resource['shoal.role']} ${resource['shoal.region']}`)),
    new Set(['agent eu-1', 'cache eu-1', 'cache core']),
  )
  assert.deepEqual(regionsOf('resolve').toSorted(), ['core', 'eu-1', 'eu-1'])
  assert.deepEqual(new Set(regionsOf('origin range')), new Set(['core']))
  const layers = own.filter(
    ({ name, attributes }) => name === 'transfer' && attributes['shoal.digest'] === image.layers[0]?.digest,
  )
  assert.deepEqual(layers.map(({ resource }) => resource['shoal.region']).toSorted(), ['core', 'eu-1', 'eu-1'])
  // each is part of what another host did, up to the pull
  for (const span of own.filter(({ id }) => id !== root.id)) assert.ok(parentOf(own, span) !== undefined, span.name)
})

/** A pull by an agent whose cache has another one above it, which has the origin; by the end all spans have been sent. */
async function pullThroughTiers(tracing: NonNullable<HostSpec['tracing']>): Promise<BuiltImage> {
  await using fleet = await NodeFleet.open()
  const image = await fleet.image({ layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('bucket', 'team/app', 'v1', image))]
  const core = await fleet.start({ role: 'cache', region: 'core', upstreams, tracing })
  const parent = { region: 'core', caches: [core] }
  const cache = await fleet.start({ role: 'cache', region: 'eu-1', upstreams, parent, tracing })
  await pull(await fleet.start({ region: 'eu-1', caches: [cache], upstreams, tracing }), image)
  return image
}

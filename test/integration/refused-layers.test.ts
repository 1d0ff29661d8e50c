import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { FakeRegistry } from '../support/fake-registry.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.corp'

/** What an origin does that has said by HEAD, and in the manifest, that it has the layer. */
const ORIGINS: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
  'has no data behind the link': (response) =>
    response.writeHead(404).end('{"errors":[{"code":"BLOB_UNKNOWN","message":"gone"}]}'),
  'wants to know who asks': (response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(),
  forbids: (response) => response.writeHead(403).end('{"errors":[{"code":"DENIED","message":"no"}]}'),
  'has had too many requests': (response) => response.writeHead(429).end(),
  fails: (response) => response.writeHead(500).end(),
  'puts off for a minute': (response) => response.writeHead(503, { 'retry-after': '60' }).end(),
  hangs: () => {},
  'closes the connection': (response) => response.destroy(),
  'ends without a byte of what it announced': (response) => {
    response.writeHead(206, { 'content-length': 1000, 'content-range': 'bytes 0-999/1000' })
    response.flushHeaders()
    response.destroy()
  },
}

test('an origin that has the manifest and not its layers: 404 to each host of a region, and never a body that breaks off', async (t) => {
  const fleet = await NodeFleet.create(t)
  const names = Object.keys(ORIGINS)
  const image = await fleet.image({ sizeBytes: names.length * 1024 * 1024, layerCount: names.length })
  const registry = await FakeRegistry.start(t, image)
  registry.hook = ({ method, target }, response) => {
    const i = image.layers.findIndex(({ digest }) => digest === target)
    if (i < 0 || method === 'HEAD') return false
    ORIGINS[names[i]!]!(response)
    return true
  }
  const { cache, agents } = await fleet.region({ upstreams: [registry.upstream(UP)] }, 1)
  // one host knows the sizes from the manifest, the other has to ask
  await agents[0]!.manifest(UP, 'team/app', 'v1')
  const ends: string[] = []
  const ask = async (node: TestNode, i: number, headers: Record<string, string>): Promise<void> => {
    const answer = await node.get(UP, `team/app/blobs/${image.layers[i]!.digest}`, headers)
    const { byteLength } = await answer.arrayBuffer()
    if (answer.status !== 404) ends.push(`${names[i]}, ${headers.range}: ${answer.status} with ${byteLength} bytes`)
  }
  const ranges = [{}, { range: 'bytes=0-' }, { range: 'bytes=-51' }]
  const asks = [agents[0]!, cache].flatMap((node) =>
    ranges.flatMap((headers) => names.map((_, i) => ask(node, i, headers))),
  )
  // a body that breaks off rejects
  await Promise.all(asks)
  assert.deepEqual(ends, [])
})

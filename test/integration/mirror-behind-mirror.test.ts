import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { UpstreamConfig } from '../../src/config/index.ts'
import { DockerRegistry } from '../support/docker-registry.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { findProgram } from '../support/runtime-test.ts'

type RegistryOrigin = Extract<UpstreamConfig['origins'][number], { kind: 'registry' }>

const MIB = 1024 * 1024
const skip = findProgram('docker-registry') === undefined ? 'docker-registry is not installed' : false

function at(node: TestNode, more: Partial<RegistryOrigin> = {}): RegistryOrigin {
  return { kind: 'registry', url: `http://${node.node.addresses.mirror}`, ...more }
}

function mirrored(name: string, ...origins: UpstreamConfig['origins']): UpstreamConfig {
  return { name, access: 'public', origins }
}

/** An address that leads to a mirror that is started later: what asks in a circle cannot all be started first. */
class LaterMirror {
  readonly origin: RegistryOrigin
  #port = 0

  private constructor(port: number) {
    this.origin = { kind: 'registry', url: `http://127.0.0.1:${port}` }
  }

  static async open(t: TestContext): Promise<LaterMirror> {
    const server = createServer((socket) => {
      const through = connect({ port: later.#port, host: '127.0.0.1' })
      const end = (): void => {
        socket.destroy()
        through.destroy()
      }
      socket.on('error', end).on('close', end)
      through.on('error', end).on('close', end)
      socket.pipe(through).pipe(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const later: LaterMirror = new LaterMirror((server.address() as AddressInfo).port)
    return later
  }

  is(node: TestNode): void {
    this.#port = Number(node.node.addresses.mirror.split(':').at(-1))
  }
}

/** What a runtime is told of a tag, and what the status says of the upstream's origins. */
async function told(node: TestNode, upstream: string): Promise<{ status: number; text: string; trouble: string[] }> {
  const response = await node.get(upstream, 'team/app/manifests/v1')
  const text = await response.text()
  // this is the admin server's own JSON
  const status = (await node.admin('status')) as {
    upstreams: { name: string; origins: { trouble?: { message: string; remedy: string } }[] }[]
  }
  const origins = status.upstreams.find(({ name }) => name === upstream)?.origins ?? []
  return {
    status: response.status,
    text,
    trouble: origins.flatMap(({ trouble }) => (trouble === undefined ? [] : [`${trouble.message}; ${trouble.remedy}`])),
  }
}

test('another Shoal is an origin: without a name, by a name in the path and by ns', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 6 * MIB, layerCount: 2 })
  const path = await fleet.push('origin', 'team/app', 'v1', image)
  const behind = await fleet.start({
    upstreams: [directoryUpstream('docker.io', path), directoryUpstream('registry.corp:5000', path)],
  })
  const front = await fleet.start({
    upstreams: [
      mirrored('docker.io', at(behind)),
      mirrored('by-path.example', at(behind, { repository: 'registry.corp_5000/{repository}' })),
      mirrored('by-ns.example', at(behind, { namespace: 'registry.corp:5000' })),
    ],
  })
  for (const upstream of ['docker.io', 'by-path.example', 'by-ns.example']) {
    await front.pull(upstream, 'team/app', 'v1', image)
    const list = await front.get(upstream, 'team/app/tags/list')
    assert.deepEqual(await list.json(), { name: 'team/app', tags: ['v1'] }, upstream)
    assert.equal((await front.manifest(upstream, 'team/app', 'v2')).status, 404, upstream)
  }
  assert.equal((await front.manifest('by-ns.example', 'team/other', 'v1')).status, 404)
})

test('two fleets, one behind the other, keep a tag whose origin fails at the far end', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const path = await fleet.push('origin', 'team/app', 'v1', image)
  const far = await fleet.start({ upstreams: [directoryUpstream('demo', path)], tags: { ttlMs: 0, maxStaleMs: 0 } })
  const upstreams = [mirrored('demo', at(far, { namespace: 'demo' }))]
  const near = await fleet.region({ upstreams, tags: { ttlMs: 0 } }, 1)
  const agent = near.agents[0]!
  await agent.pull('demo', 'team/app', 'v1', image)
  await rename(path, `${path}.gone`)
  const stale = await agent.manifest('demo', 'team/app', 'v1')
  assert.deepEqual([stale.digest, stale.stale], [image.manifest.digest, true])
})

for (const [title, mirrors] of [
  ['itself', 1],
  ['another that asks it', 2],
  ['two others, one after the other', 3],
] as const) {
  test(`a mirror that asks ${title} says so, at once`, async (t) => {
    const fleet = await NodeFleet.create(t)
    const first = await LaterMirror.open(t)
    let next = first.origin
    const chain: TestNode[] = []
    for (let i = 0; i < mirrors; i++) {
      const node = await fleet.start({ upstreams: [mirrored('docker.io', next)] })
      chain.push(node)
      next = at(node)
    }
    first.is(chain.at(-1)!)
    for (const node of chain) {
      const { status, text, trouble } = await told(node, 'docker.io')
      assert.equal(status, 404)
      assert.match(text, /asked in a circle/)
      assert.match(trouble.join(), /asked in a circle.*take it out of the upstream/)
    }
  })
}

test('a circle through a cache of the fleet is seen by the cache', async (t) => {
  const fleet = await NodeFleet.create(t)
  const entrance = await LaterMirror.open(t)
  const other = await fleet.start({ upstreams: [mirrored('docker.io', entrance.origin)] })
  const { agents } = await fleet.region({ upstreams: [mirrored('docker.io', at(other))] }, 2)
  entrance.is(agents[1]!)
  const { status, text } = await told(agents[0]!, 'docker.io')
  assert.equal(status, 404)
  assert.match(text, /asked in a circle/)
})

test('two mirrors that ask each other before the registry both serve', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 6 * MIB, layerCount: 2 })
  const real = directoryUpstream('docker.io', await fleet.push('origin', 'team/app', 'v1', image)).origins
  const first = await LaterMirror.open(t)
  const use = ['resolve', 'pull'] as const
  const both = real.map((origin) => ({ ...origin, use }))
  const one = await fleet.start({ upstreams: [mirrored('docker.io', first.origin, ...both)] })
  const two = await fleet.start({ upstreams: [mirrored('docker.io', at(one), ...both)] })
  first.is(two)
  await one.pull('docker.io', 'team/app', 'v1', image)
  await two.pull('docker.io', 'team/app', 'v1', image)
})

test("a pull-through docker-registry stands between two Shoals, whose origin is the far one's mirror", {
  skip,
}, async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 6 * MIB, layerCount: 2 })
  const path = await fleet.push('origin', 'team/app', 'v1', image)
  const far = await fleet.start({ upstreams: [directoryUpstream('docker.io', path)] })
  await using between = await DockerRegistry.start(fleet.directory, { proxied: `http://${far.node.addresses.mirror}` })
  const near = await fleet.start({
    upstreams: [mirrored('docker.io', { kind: 'registry', url: between.url })],
    tags: { ttlMs: 0 },
  })
  await near.pull('docker.io', 'team/app', 'v1', image)
  assert.equal((await near.manifest('docker.io', 'team/app', 'v2')).status, 404)
  assert.equal((await near.manifest('docker.io', 'team/app', 'v1')).digest, image.manifest.digest)
})

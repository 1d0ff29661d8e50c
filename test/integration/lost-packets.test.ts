import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { runCommand } from '../../bench/fleet/command.ts'
import { AllowedCongestionControl } from '../../bench/fleet/congestion.ts'
import { Namespaces } from '../../bench/fleet/namespaces.ts'
import type { NetworkHost } from '../../bench/fleet/network.ts'
import { Network } from '../../bench/fleet/network.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import { buildImage, writeToBucketTree } from '../../src/demo/index.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { formatFleetKey, generateFleetKey } from '../../src/trust/index.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { eventually } from '../support/eventually.ts'
import { TempDir } from '../support/temp-dir.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024
const PEER_PORT = 7071
const statusSchema = z.object({ tier: z.object({ state: z.string() }) })
const NEEDS_ROOT = { skip: process.getuid?.() === 0 ? false : 'network namespaces take root' }

interface Scene {
  readonly agent: Place
  readonly cache: Place
  readonly images: readonly BuiltImage[]
}

interface Place {
  readonly host: NetworkHost
  readonly process: AgentProcess
}

/** A cache and an agent, each in a network namespace of its own, and an origin that both can read. */
async function scene(t: TestContext): Promise<Scene> {
  const stack = new AsyncDisposableStack()
  t.after(() => stack.disposeAsync())
  const { path } = stack.use(await TempDir.make())
  stack.use(await AllowedCongestionControl.open())
  const network = new Network(stack.use(await Namespaces.open()))
  const origin = join(path, 'origin')
  const images: BuiltImage[] = []
  for (const seed of [1, 2]) {
    const image = await buildImage(join(path, `built-${seed}`), { sizeBytes: 6 * MIB, layerCount: 3, seed })
    await writeToBucketTree(origin, { repository: `team/app${seed}`, tag: 'v1' }, image)
    images.push(image)
  }
  const keyFile = join(path, 'fleet.key')
  await writeFile(keyFile, formatFleetKey(generateFleetKey()), { mode: 0o600 })
  const start = async (role: 'cache' | 'agent', number: number, caches: readonly string[]): Promise<Place> => {
    const host = await network.add({ name: role, number: [0, number], mbps: 0 })
    const directory = join(path, role)
    const config = join(path, `${role}.json`)
    const settings = {
      role,
      peer: { listen: `${host.address}:${PEER_PORT}` },
      store: { path: directory, minFree: 0 },
      fleet: { keyFile },
      tier: { caches },
      upstreams: [{ name: UP, access: 'node', origins: [{ kind: 'directory', path: origin }] }],
    }
    await writeFile(config, JSON.stringify(settings))
    const prefix = ['ip', 'netns', 'exec', host.namespace]
    const set = [`peer.listen=${host.address}:${PEER_PORT}`]
    const process = stack.use(new AgentProcess(path, { config, prefix, set }))
    await process.ready
    return { host, process }
  }
  const cache = await start('cache', 1, [])
  const agent = await start('agent', 2, [`${cache.host.address}:${PEER_PORT}`])
  await eventually('the agent is linked to its cache', () => isLinked(agent, join(path, 'agent')))
  return { agent, cache, images }
}

function curl({ host }: Place, ...args: string[]): Promise<string> {
  return runCommand('ip', 'netns', 'exec', host.namespace, 'curl', '-sS', '--fail', ...args)
}

async function isLinked(place: Place, store: string): Promise<boolean> {
  const { admin } = await place.process.ready
  const token = (await readFile(join(store, 'admin.token'), 'utf8')).trim()
  const status = await curl(place, '-H', `Authorization: Bearer ${token}`, `http://${admin}/api/v1/status`)
  return statusSchema.parse(JSON.parse(status)).tier.state === 'linked'
}

async function ask(place: Place, path: string): Promise<Buffer> {
  const { mirror } = await place.process.ready
  await using directory = await TempDir.make()
  const to = join(directory.path, 'body')
  // a slow machine may still say 404 once, in time: runtimes ask again, or the registry
  await curl(
    place,
    '--retry',
    '8',
    '--retry-delay',
    '1',
    '--retry-all-errors',
    '-o',
    to,
    `http://${mirror}/v2/${path}?ns=${UP}`,
  )
  return await readFile(to)
}

async function pull(place: Place, image: BuiltImage, repository: string): Promise<void> {
  assert.equal(digestOf(await ask(place, `${repository}/manifests/v1`)), image.manifest.digest)
  const blobs = image.layers.map(async ({ digest }) =>
    assert.equal(digestOf(await ask(place, `${repository}/blobs/${digest}`)), digest),
  )
  await Promise.all(blobs)
}

describe('packets of which nobody hears again', NEEDS_ROOT, () => {
  const faults: [name: string, inject: (scene: Scene) => Promise<unknown>][] = [
    [
      'a link that carries small packets only, and tells nobody: the pull ends',
      ({ agent }) => runCommand('ip', '-n', agent.host.namespace, 'link', 'set', 'eth0', 'mtu', '600'),
    ],
    [
      'a cache that loses its power ends no connection: the pull ends',
      ({ cache }) => runCommand('ip', '-n', cache.host.namespace, 'link', 'set', 'eth0', 'down'),
    ],
  ]
  for (const [name, inject] of faults) {
    test(name, async (t) => {
      const set = await scene(t)
      const [first, second] = set.images
      await pull(set.agent, first!, 'team/app1')
      await inject(set)
      await pull(set.agent, second!, 'team/app2')
    })
  }
})

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { z } from 'zod'
import { runCommand } from '../../bench/fleet/command.ts'
import { AllowedCongestionControl } from '../../bench/fleet/congestion.ts'
import { Namespaces } from '../../bench/fleet/namespaces.ts'
import type { NetworkHost } from '../../bench/fleet/network.ts'
import { Network } from '../../bench/fleet/network.ts'
import type { BuiltImage, ImageSpec } from '../../src/demo/index.ts'
import { buildImage, MetricsSnapshot, writeToBucketTree } from '../../src/demo/index.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { formatFleetKey, generateFleetKey } from '../../src/trust/index.ts'
import { AgentProcess } from './agent-process.ts'
import { eventually } from './eventually.ts'
import { TempDir } from './temp-dir.ts'

/** Options of tests that need them. */
export const NEEDS_NAMESPACES = { skip: process.getuid?.() === 0 ? false : 'network namespaces take root' }

const UP = 'registry.test'
const PEER_PORT = 7071
const statusSchema = z.object({ tier: z.object({ state: z.string() }) })

/** A host in a network namespace of its own. */
export interface NetworkedHost {
  readonly host: NetworkHost
  readonly process: AgentProcess
  readonly peerAddress: string
  readonly store: string
}

interface NetworkedSpec {
  readonly role: 'cache' | 'agent'
  readonly region?: string
  readonly caches?: readonly NetworkedHost[]
  readonly parent?: { readonly region: string; readonly caches: readonly NetworkedHost[] }
  /** Of its link, both ways; default: as fast as memory. */
  readonly mbps?: number
}

/** Hosts as processes around a switch, and an origin that all of them can read without it. */
export class NetworkFleet {
  readonly network: Network
  readonly #directory: string
  readonly #stack: AsyncDisposableStack
  #made = 0

  private constructor(directory: string, network: Network, stack: AsyncDisposableStack) {
    this.#directory = directory
    this.network = network
    this.#stack = stack
  }

  /** All of it ends with the test. */
  static async create(t: TestContext): Promise<NetworkFleet> {
    const stack = new AsyncDisposableStack()
    t.after(() => stack.disposeAsync())
    const { path } = stack.use(await TempDir.make())
    stack.use(await AllowedCongestionControl.open())
    const network = new Network(stack.use(await Namespaces.open()))
    await writeFile(join(path, 'fleet.key'), formatFleetKey(generateFleetKey()), { mode: 0o600 })
    return new NetworkFleet(path, network, stack)
  }

  /** Pushes an image to the origin, as `v1`. */
  async image(repository: string, spec: Partial<ImageSpec>): Promise<BuiltImage> {
    const image = await buildImage(join(this.#directory, `built-${spec.seed}`), spec)
    await writeToBucketTree(join(this.#directory, 'origin'), { repository, tag: 'v1' }, image)
    return image
  }

  async start({ role, region = 'default', caches = [], parent, mbps = 0 }: NetworkedSpec): Promise<NetworkedHost> {
    const name = `${role}${++this.#made}`
    const host = await this.network.add({ name, number: [0, this.#made], mbps })
    const peerAddress = `${host.address}:${PEER_PORT}`
    const store = join(this.#directory, name)
    const config = join(this.#directory, `${name}.json`)
    const addresses = (hosts: readonly NetworkedHost[]): string[] => hosts.map((one) => one.peerAddress)
    const parents = parent === undefined ? [] : [{ region: parent.region, caches: addresses(parent.caches) }]
    const settings = {
      role,
      peer: { listen: peerAddress },
      store: { path: store, minFree: 0 },
      fleet: { keyFile: join(this.#directory, 'fleet.key') },
      tier: { region, caches: addresses(caches), parents },
      upstreams: [
        { name: UP, access: 'node', origins: [{ kind: 'directory', path: join(this.#directory, 'origin') }] },
      ],
    }
    await writeFile(config, JSON.stringify(settings))
    const prefix = ['ip', 'netns', 'exec', host.namespace]
    const set = [`peer.listen=${peerAddress}`]
    const process = this.#stack.use(new AgentProcess(this.#directory, { config, prefix, set }))
    await process.ready
    const started = { host, process, peerAddress, store }
    if (role === 'agent') await eventually(`${name} is linked to its cache`, () => isLinked(started))
    return started
  }
}

export async function metricsOf(host: NetworkedHost): Promise<MetricsSnapshot> {
  const { admin } = await host.process.ready
  return new MetricsSnapshot(await curl(host, `http://${admin}/metrics`))
}

/** Pulls by tag, all layers at once, and compares all with their digests. */
export async function pull(host: NetworkedHost, image: BuiltImage, repository: string): Promise<void> {
  assert.equal(digestOf(await ask(host, `${repository}/manifests/v1`)), image.manifest.digest)
  const blobs = image.layers.map(async ({ digest }) =>
    assert.equal(digestOf(await ask(host, `${repository}/blobs/${digest}`)), digest),
  )
  await Promise.all(blobs)
}

async function isLinked(host: NetworkedHost): Promise<boolean> {
  const { admin } = await host.process.ready
  const token = (await readFile(join(host.store, 'admin.token'), 'utf8')).trim()
  const status = await curl(host, '-H', `Authorization: Bearer ${token}`, `http://${admin}/api/v1/status`)
  return statusSchema.parse(JSON.parse(status)).tier.state === 'linked'
}

async function ask(host: NetworkedHost, path: string): Promise<Buffer> {
  const { mirror } = await host.process.ready
  await using directory = await TempDir.make()
  const to = join(directory.path, 'body')
  // a slow machine may still say 404 once, in time: runtimes ask again, or the registry
  const again = ['--retry', '8', '--retry-delay', '1', '--retry-all-errors']
  await curl(host, ...again, '-o', to, `http://${mirror}/v2/${path}?ns=${UP}`)
  return await readFile(to)
}

function curl({ host }: NetworkedHost, ...args: string[]): Promise<string> {
  return runCommand('ip', 'netns', 'exec', host.namespace, 'curl', '-sS', '--fail', ...args)
}

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/log.ts'
import { silentLogger } from '../../src/base/log.ts'
import type { Config, UpstreamConfig } from '../../src/config/index.ts'
import { defaultConfig } from '../../src/config/index.ts'
import type { BlobFile, BuiltImage, ImageSpec } from '../../src/demo/index.ts'
import { buildImage, MetricsSnapshot, writeToBucketTree } from '../../src/demo/index.ts'
import { LogLevel, PrometheusRegistry, ShoalNode } from '../../src/node/index.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Answered } from './answered.ts'
import { answered, read } from './answered.ts'

const MIB = 1024 * 1024
const LOOPBACK = { host: '127.0.0.1', port: 0 }

export interface ParentSpec {
  readonly region: string
  readonly caches: readonly Reachable[]
}

/** A host, or what leads to one. */
type Reachable = Pick<TestNode, 'peerAddress'>

export interface HostSpec {
  readonly role?: Config['role']
  readonly region?: string
  /** The caches of this host's region. */
  readonly caches?: readonly Reachable[]
  /** The region above, or several, nearest first. */
  readonly parent?: ParentSpec | readonly ParentSpec[]
  readonly upstreams: readonly UpstreamConfig[]
  readonly tags?: Partial<Config['tags']>
  readonly store?: Partial<Config['store']>
  readonly limits?: Partial<Config['limits']>
  readonly prewarm?: Partial<Config['prewarm']>
  readonly tracing?: Config['tracing']
  readonly clock?: Clock
  readonly logger?: Logger | undefined
  /** The fleet's key, as its file holds it; default: the one that everybody has. */
  readonly key?: string
  /** Authorities, certificates and the like. */
  readonly fleet?: Omit<Partial<Config['fleet']>, 'keyFile'>
}

export interface PulledManifest {
  readonly status: number
  readonly digest: string | null
  readonly stale: boolean
  readonly source: string | null
}

/** A whole host in this process, asked through its servers. */
export class TestNode {
  readonly node: ShoalNode
  /** What it was started with. */
  readonly config: Config
  readonly storeDir: string
  readonly #registry: PrometheusRegistry

  constructor(node: ShoalNode, config: Config, registry: PrometheusRegistry) {
    this.node = node
    this.config = config
    const storeDir = config.store.path
    this.storeDir = storeDir
    this.#registry = registry
  }

  /** What makes a request this host's own: the token that it has made. */
  async adminHeaders(): Promise<Record<string, string>> {
    const token = await readFile(join(this.storeDir, 'admin.token'), 'utf8')
    return { authorization: `Bearer ${token.trim()}` }
  }

  get adminUrl(): string {
    return `http://${this.node.addresses.admin}`
  }

  get peerAddress(): string {
    return this.node.addresses.peer
  }

  /** `path` is what follows /v2/. */
  get(upstream: string, path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`http://${this.node.addresses.mirror}/v2/${path}?ns=${upstream}`, { headers })
  }

  async manifest(upstream: string, repository: string, target: string): Promise<PulledManifest> {
    const response = await this.get(upstream, `${repository}/manifests/${target}`)
    const bytes = new Uint8Array(await response.arrayBuffer())
    const { headers, status } = response
    const digest = headers.get('docker-content-digest')
    if (status === 200) assert.equal(digest, digestOf(bytes))
    return { status, digest, stale: headers.get('x-shoal-stale') === 'true', source: headers.get('x-shoal-source') }
  }

  /** A whole blob's digest, computed over what arrived; rejects when the answer breaks off. */
  async blobDigest(upstream: string, repository: string, digest: string): Promise<string | number> {
    const response = await this.get(upstream, `${repository}/blobs/${digest}`)
    const bytes = new Uint8Array(await response.arrayBuffer())
    return response.status === 200 ? digestOf(bytes) : response.status
  }

  /** What a runtime does: the tag, the config, all layers at once. How long each of them takes is the machine's affair. */
  async pull(upstream: string, repository: string, tag: string, image: BuiltImage): Promise<void> {
    await this.#pull(repository, tag, image, (path) => answered(() => this.get(upstream, path)))
  }

  /** The same where it is the point that each answer comes while a runtime waits for it. */
  async pullInTime(upstream: string, repository: string, tag: string, image: BuiltImage): Promise<void> {
    await this.#pull(repository, tag, image, async (path) => read(await this.get(upstream, path)))
  }

  async #pull(
    repository: string,
    tag: string,
    image: BuiltImage,
    ask: (path: string) => Promise<Answered>,
  ): Promise<void> {
    const digest = async (path: string): Promise<string | number> => {
      const { status, bytes } = await ask(path)
      return status === 200 ? digestOf(bytes) : status
    }
    assert.equal(await digest(`${repository}/manifests/${tag}`), image.manifest.digest)
    const blobs: readonly BlobFile[] = [image.config, ...image.layers]
    assert.deepEqual(
      await Promise.all(blobs.map((blob) => digest(`${repository}/blobs/${blob.digest}`))),
      blobs.map((blob) => blob.digest),
    )
  }

  async metrics(): Promise<MetricsSnapshot> {
    return new MetricsSnapshot(await this.#registry.text())
  }

  async originRequests(kind?: 'tag' | 'manifest' | 'blob' | 'stat'): Promise<number> {
    return (await this.metrics()).sum('shoal_origin_requests_total', kind === undefined ? {} : { kind })
  }

  async received(from: 'peer' | 'home' | 'parent' | 'origin'): Promise<number> {
    return (await this.metrics()).sum('shoal_received_bytes_total', { from })
  }

  /** What `shoal status`, `shoal transfers` and the like see. */
  async admin(path: string, body?: unknown): Promise<unknown> {
    const url = `${this.adminUrl}/api/v1/${path}`
    const own = await this.adminHeaders()
    const headers = { ...own, 'content-type': 'application/json' }
    const request = { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await fetch(url, body === undefined ? { headers: own } : request)
    assert.equal(response.status, 200, await response.clone().text())
    return response.json()
  }

  /** Changes limits while the host runs: what has to be slow until it has been seen may be fast afterwards. */
  async setLimits(limits: Partial<Config['limits']>): Promise<void> {
    const headers = { ...(await this.adminHeaders()), 'content-type': 'application/json' }
    const body = JSON.stringify(limits)
    const response = await fetch(`${this.adminUrl}/api/v1/limits`, { method: 'PATCH', headers, body })
    assert.equal(response.status, 200, await response.text())
  }

  async storedDigests(): Promise<string[]> {
    // parsed by nobody else: this is the server's own JSON
    const { blobs } = (await this.admin('blobs')) as { blobs: { digest: string; state: string }[] }
    return blobs.filter(({ state }) => state === 'complete').map(({ digest }) => digest)
  }
}

/** Hosts of one fleet in this process, and directories in a registry's layout for them to read. */
export class NodeFleet implements AsyncDisposable {
  readonly directory: string
  readonly #stack = new AsyncDisposableStack()
  #made = 0

  private constructor(directory: string) {
    this.directory = directory
    this.#stack.defer(() => rm(directory, { recursive: true, force: true }))
  }

  /** All hosts end with the test. */
  static async create(t: TestContext): Promise<NodeFleet> {
    const fleet = await NodeFleet.open()
    t.after(() => fleet[Symbol.asyncDispose]())
    return fleet
  }

  /** For several tests; the caller disposes it. */
  static async open(): Promise<NodeFleet> {
    return new NodeFleet(await mkdtemp(join(tmpdir(), 'shoal-fleet-')))
  }

  async start(spec: HostSpec): Promise<TestNode> {
    const defaults = defaultConfig(this.directory)
    const { role = 'agent', region = 'default', caches = [], parent, upstreams, tags, store, limits, prewarm } = spec
    const addresses = (nodes: readonly Reachable[]): string[] => nodes.map(({ peerAddress }) => peerAddress)
    const above: readonly ParentSpec[] = parent === undefined ? [] : [parent].flat()
    const parents = above.map(({ region: name, caches: some }) => ({ region: name, caches: addresses(some) }))
    const path = join(this.directory, `host-${this.#made++}`)
    const config: Config = {
      ...defaults,
      role,
      mirror: { listen: LOOPBACK, hosts: [], open: false, drainMs: 0 },
      fleet: {
        ...defaults.fleet,
        ...spec.fleet,
        keyFile: spec.key === undefined ? null : await this.#keyFile(path, spec.key),
      },
      peer: { ...defaults.peer, listen: LOOPBACK },
      admin: { ...defaults.admin, listen: LOOPBACK },
      store: {
        path,
        capacityBytes: 512 * MIB,
        minFreeBytes: 0,
        scrubMs: 0,
        ...store,
      },
      tier: { ...defaults.tier, region, caches: addresses(caches), parents },
      tags: { ...defaults.tags, ...tags },
      limits: { ...defaults.limits, ...limits },
      prewarm: { ...defaults.prewarm, ...prewarm },
      tracing: spec.tracing ?? defaults.tracing,
      search: upstreams.map(({ name }) => name),
      upstreams,
    }
    const registry = new PrometheusRegistry()
    const logs = new LogLevel('info', systemClock)
    const deps = { logger: spec.logger ?? silentLogger, logs, registry, clock: spec.clock }
    return new TestNode(this.#stack.use(await ShoalNode.start(config, deps)), config, registry)
  }

  /** A cache and some agents of one region. */
  async region(spec: HostSpec, agents: number): Promise<{ cache: TestNode; agents: TestNode[] }> {
    const cache = await this.start({ ...spec, role: 'cache' })
    const started = Array.from({ length: agents }, () => this.start({ ...spec, caches: [cache] }))
    return { cache, agents: await Promise.all(started) }
  }

  image(spec: Partial<ImageSpec>): Promise<BuiltImage> {
    return buildImage(join(this.directory, 'built'), { sizeBytes: 4 * MIB, layerCount: 2, ...spec })
  }

  /** Pushes an image into a directory that an origin of kind `directory` reads; answers its path. */
  async push(origin: string, repository: string, tag: string, image: BuiltImage): Promise<string> {
    const root = join(this.directory, origin)
    await writeToBucketTree(root, { repository, tag }, image)
    return root
  }

  async #keyFile(host: string, key: string): Promise<string> {
    const file = `${host}.key`
    await writeFile(file, key, { mode: 0o600 })
    return file
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** A public upstream over directories in a registry's layout. */
export function directoryUpstream(name: string, ...paths: string[]): UpstreamConfig {
  return { name, access: 'public', origins: paths.map((path) => ({ kind: 'directory', path })) }
}

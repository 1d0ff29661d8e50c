import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ShoalError } from '../base/errors.ts'
import type { PullOptions, PullResult } from '../pull/index.ts'
import { parsePullTarget, pullImage } from '../pull/index.ts'
import { AgentProcess } from './agent-process.ts'
import { writeToBucketTree } from './bucket.ts'
import { FreePorts } from './free-ports.ts'
import type { BuiltImage, BuiltIndex, ImageSpec } from './image.ts'
import { buildImage } from './image.ts'
import { S3Origin } from './s3-origin.ts'

interface RegionSpec {
  readonly name: string
  readonly caches: number
  readonly agents: number
  /** Regions asked before the origin, nearest first; each must be in the same fleet and have caches. */
  readonly parents?: readonly string[] | undefined
}

/** A node before it runs. */
interface NodePlace {
  readonly name: string
  readonly role: 'agent' | 'cache'
  readonly region: string
}

/** An entry of `upstreams` in a daemon's configuration. */
interface UpstreamConfig {
  readonly name: string
  readonly access: 'public' | 'node' | 'passthrough'
  readonly origins: readonly Readonly<Record<string, unknown>>[]
}

interface FleetOptions {
  readonly regions: readonly RegionSpec[]
  /**
   * Upstreams: a name alone is served from the fleet's one bucket, an object is the upstream's configuration. Bare
   * repositories mean the first.
   */
  readonly upstreams: readonly (string | UpstreamConfig)[]
  /** The fleet's key in its two forms, as `shoal fleet-key` prints them; loopback works without. */
  readonly keys?: { readonly cache: string; readonly agent: string } | undefined
  /** Top-level configuration keys of a node, over what the fleet sets. */
  readonly config: (place: NodePlace) => Readonly<Record<string, unknown>>
  /** The main module of the release that a node runs first; this one when undefined. */
  readonly program?: ((place: NodePlace) => string | undefined) | undefined
  /** What hosts are chosen by. */
  readonly labels?: ((place: NodePlace) => Readonly<Record<string, string>>) | undefined
  readonly zone?: ((place: NodePlace) => string | null) | undefined
  readonly signal?: AbortSignal | undefined
}

const DEFAULT_FLEET: FleetOptions = {
  regions: [{ name: 'default', caches: 1, agents: 2 }],
  upstreams: ['docker.io', 'registry.test'],
  config: () => ({}),
}

/** A running node of a fleet. */
export interface FleetHost extends NodePlace {
  readonly agent: AgentProcess
}

/** An image in the fleet's bucket. */
export interface PushedImage {
  readonly reference: string
  readonly image: BuiltImage
}

/** Bytes that nodes received, by where from: shoal_received_bytes_total. */
export interface ReceivedBytes {
  peer: number
  home: number
  parent: number
  origin: number
}

type Ports = { mirror: number; peer: number; admin: number }
type PlannedNode = NodePlace & { readonly ports: Ports }

/**
 * A fleet on this machine, every part a real process on loopback: an S3 origin that counts, the caches and agents of
 * one or more regions. Disposing ends them all and removes what they wrote; nobody else's processes are touched.
 */
export class Fleet implements AsyncDisposable {
  readonly origin: S3Origin
  readonly hosts: FleetHost[] = []
  readonly #options: FleetOptions
  readonly #directory: string
  readonly #ports = new FreePorts()
  readonly #planned: PlannedNode[] = []

  private constructor(options: FleetOptions, origin: S3Origin, directory: string) {
    this.#options = options
    this.origin = origin
    this.#directory = directory
  }

  /** Starts the origin, then all caches, then all agents; each is ready when this resolves. */
  static async start(options: Partial<FleetOptions> = {}): Promise<Fleet> {
    const directory = await mkdtemp(join(tmpdir(), 'shoal-fleet-'))
    try {
      const fleet = new Fleet({ ...DEFAULT_FLEET, ...options }, await S3Origin.start(), directory)
      try {
        await fleet.#startAll()
        return fleet
      } catch (error) {
        await fleet[Symbol.asyncDispose]()
        throw error
      }
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  get agents(): AgentProcess[] {
    return this.hosts.flatMap(({ role, agent }) => (role === 'agent' ? agent : []))
  }

  get caches(): AgentProcess[] {
    return this.hosts.flatMap(({ role, agent }) => (role === 'cache' ? agent : []))
  }

  /** The agents and caches of one region. */
  region(name: string): { readonly agents: AgentProcess[]; readonly caches: AgentProcess[] } {
    const here = this.hosts.filter((host) => host.region === name)
    const byRole = (role: string): AgentProcess[] => here.flatMap((host) => (host.role === role ? host.agent : []))
    return { agents: byRole('agent'), caches: byRole('cache') }
  }

  /** Builds an image and puts it into the bucket as a registry would. The origin's counters start at zero after it. */
  async push(spec: Partial<ImageSpec> = {}, name = 'library/app:1'): Promise<PushedImage> {
    const directory = await mkdtemp(join(this.#directory, 'image-'))
    try {
      const image = await buildImage(join(directory, 'blobs'), spec, this.#options.signal)
      await this.pushBuilt(image, name, directory)
      return { reference: `${this.#upstreams()[0]?.name}/${name}`, image }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }

  /** Puts a built image or index into the bucket under `repository:tag`. `directory` is for the tree meanwhile. */
  async pushBuilt(content: BuiltImage | BuiltIndex, name: string, directory: string): Promise<void> {
    const [repository = '', tag = 'latest'] = name.split(':')
    const tree = join(directory, `tree-${repository.replaceAll('/', '-')}-${tag}`)
    await writeToBucketTree(tree, { repository, tag }, content)
    await this.origin.copyTree(tree, this.#options.signal)
    await this.origin.resetCounters()
  }

  /** Pulls through one host's mirror, proving every digest. `reference` as in `shoal pull`. */
  pull(host: AgentProcess, reference: string, options: Partial<PullOptions> = {}): Promise<PullResult> {
    const signal = this.#options.signal ?? new AbortController().signal
    return pullImage({ signal, ...options, mirror: host.mirrorUrl, target: parsePullTarget(reference) })
  }

  /** Adds an agent to a running region. */
  async addAgent(region = this.#options.regions[0]?.name ?? 'default'): Promise<AgentProcess> {
    const count = this.hosts.filter((host) => host.role === 'agent').length
    const node = await this.#plan({ name: `agent-${region}-${count}-late`, role: 'agent', region })
    return (await this.#startNode(node)).agent
  }

  /** What all nodes (or `hosts`) received so far. Nodes that do not run count nothing. */
  async received(hosts: readonly AgentProcess[] = [...this.agents, ...this.caches]): Promise<ReceivedBytes> {
    const total: ReceivedBytes = { peer: 0, home: 0, parent: 0, origin: 0 }
    for (const host of hosts.filter(({ process }) => process.running)) {
      const metrics = await host.metrics()
      for (const from of ['peer', 'home', 'parent', 'origin'] as const) {
        total[from] += metrics.sum('shoal_received_bytes_total', { from })
      }
    }
    return total
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.hosts.map(({ agent }) => agent[Symbol.asyncDispose]()))
    await this.origin[Symbol.asyncDispose]()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #startAll(): Promise<void> {
    for (const [role, key] of Object.entries(this.#options.keys ?? {})) {
      await writeFile(this.#keyFile(role), key, { mode: 0o600 })
    }
    for (const role of ['cache', 'agent'] as const) {
      for (const region of this.#options.regions) {
        const count = role === 'cache' ? region.caches : region.agents
        for (let index = 0; index < count; index++) {
          await this.#plan({ name: `${role}-${region.name}-${index}`, role, region: region.name })
        }
      }
    }
    // Caches first: an agent that finds its tier at once is what a burst needs, and what most tests are about.
    for (const role of ['cache', 'agent']) {
      const outcomes = await Promise.allSettled(
        this.#planned.filter((node) => node.role === role).map((node) => this.#startNode(node)),
      )
      const failure = outcomes.find((outcome) => outcome.status === 'rejected')
      if (failure !== undefined) throw failure.reason
    }
  }

  async #plan(place: NodePlace): Promise<PlannedNode> {
    const ports = { mirror: await this.#ports.take(), peer: await this.#ports.take(), admin: await this.#ports.take() }
    const node = { ...place, ports }
    this.#planned.push(node)
    return node
  }

  async #startNode(node: PlannedNode): Promise<FleetHost> {
    const { name, role, region, ports } = node
    const agent = await AgentProcess.start(
      {
        name,
        role,
        directory: join(this.#directory, name),
        ports,
        config: this.#config(node),
        env: {},
        program: this.#options.program?.(node),
      },
      this.#options.signal,
    )
    const host = { name, role, region, agent }
    this.hosts.push(host)
    return host
  }

  #config(node: PlannedNode): Record<string, unknown> {
    const { regions, keys, config } = this.#options
    const upstreams = this.#upstreams()
    const parents = regions.find(({ name }) => name === node.region)?.parents ?? []
    return {
      tier: {
        region: node.region,
        zone: this.#options.zone?.(node) ?? null,
        caches: this.#cachesOf(node.region),
        parents: parents.map((region) => ({ region, caches: this.#cachesOf(region) })),
        labels: this.#options.labels?.(node) ?? {},
      },
      fleet: { keyFile: keys === undefined ? null : this.#keyFile(node.role) },
      search: upstreams.slice(0, 1).map(({ name }) => name),
      upstreams,
      ...config(node),
    }
  }

  #upstreams(): UpstreamConfig[] {
    const origins = [this.origin.agentConfig()]
    return this.#options.upstreams.map((one) =>
      typeof one === 'string' ? { name: one, access: 'node', origins } : one,
    )
  }

  #cachesOf(region: string): string[] {
    if (!this.#options.regions.some(({ name }) => name === region)) {
      throw new ShoalError('CONFIG_INVALID', `the fleet has no region "${region}"`)
    }
    const caches = this.#planned.filter((node) => node.role === 'cache' && node.region === region)
    return caches.map(({ ports }) => `127.0.0.1:${ports.peer}`)
  }

  #keyFile(role: string): string {
    return join(this.#directory, `${role}.key`)
  }
}

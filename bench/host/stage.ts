import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { ShoalError } from '../../src/base/errors.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import { AgentProcess, buildImage, FreePorts, S3Origin, writeToBucketTree } from '../../src/demo/index.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { OWN_PREFIX, removeLeftoverDirectories } from '../support/scratch.ts'
import type { ChannelKind, Fetched } from './tasks.ts'
import { fetchedSchema } from './tasks.ts'
import { Worker } from './worker.ts'

const MIB = 1024 * 1024
const UPSTREAM = 'registry.test'
const TAG = '1'
const WARM_UP_BYTES = 256 * MIB
/** Small layers: enough for a percentile, and a few before that count for nothing. */
const SMALL_BYTES = MIB
export const SMALL_WARM_UPS = 3
export const SMALL_LAYERS = 40

/** An image in the bucket, and in the cache. */
export interface StagedImage {
  readonly repository: string
  readonly image: BuiltImage
}

/**
 * Everything around the one agent that is measured, every part a real process on loopback: an S3 origin, a cache that has
 * all the content already, and a client. All stores lie in one directory, on a file system of the caller's choice.
 */
export class HostStage implements AsyncDisposable {
  readonly directory: string
  readonly #signal: AbortSignal
  readonly #resources = new AsyncDisposableStack()
  readonly #ports = new FreePorts()
  readonly #images = new Map<string, StagedImage>()
  #origin: S3Origin | undefined
  #cache: AgentProcess | undefined
  #client: Worker | undefined
  #agents = 0

  private constructor(directory: string, signal: AbortSignal) {
    this.directory = directory
    this.#signal = signal
    this.#resources.defer(() => rm(directory, { recursive: true, force: true }))
  }

  /** A directory below `parent` for whatever the bench writes; the daemons start with `openFleet`. */
  static async open(parent: string, signal: AbortSignal): Promise<HostStage> {
    await removeLeftoverDirectories()
    await mkdir(parent, { recursive: true })
    return new HostStage(await mkdtemp(join(parent, `${OWN_PREFIX}${process.pid}-host-`)), signal)
  }

  /** Makes the content, starts origin, cache and client, and warms the cache. */
  async openFleet(sizeBytes: number): Promise<void> {
    const origin = this.#resources.use(await S3Origin.start('images', undefined, this.directory))
    this.#origin = origin
    await this.#push('blob', [sizeBytes])
    await this.#push('warm-up', [Math.min(sizeBytes, WARM_UP_BYTES)])
    await this.#push('small', Array<number>(SMALL_WARM_UPS + SMALL_LAYERS).fill(SMALL_BYTES))
    this.#cache = this.#resources.use(await this.#start('cache', { pieceChannel: 'auto' }))
    this.#client = this.#resources.use(Worker.start('the client', this.#signal))
    for (const { repository, image } of this.#images.values()) {
      await this.manifest(this.cache, repository)
      for (const { digest } of [image.config, ...image.layers]) await this.fetch(this.cache, repository, digest)
    }
  }

  get cache(): AgentProcess {
    return present(this.#cache)
  }

  get clientPid(): number {
    return present(this.#client).pid
  }

  get originPid(): number {
    return present(this.#origin).process.pid
  }

  image(name: 'blob' | 'warm-up' | 'small'): StagedImage {
    return present(this.#images.get(name))
  }

  /** An agent with an empty store. */
  async startAgent(kind: ChannelKind): Promise<AgentProcess> {
    return this.#start('agent', { pieceChannel: kind })
  }

  /** Pulls a blob through a daemon's mirror and throws it away. */
  async fetch(daemon: AgentProcess, repository: string, digest: Digest): Promise<Fetched> {
    return this.#get(daemon, `${UPSTREAM}/${repository}/blobs/${digest}`)
  }

  async manifest(daemon: AgentProcess, repository: string): Promise<Fetched> {
    return this.#get(daemon, `${UPSTREAM}/${repository}/manifests/${TAG}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }

  async #get(daemon: AgentProcess, path: string): Promise<Fetched> {
    const url = `${daemon.mirrorUrl}/v2/${path}`
    const fetched = await present(this.#client).ask({ do: 'fetch', url }, fetchedSchema)
    if (fetched.status !== 200) throw daemon.process.failure(`answered ${fetched.status} for ${path}`)
    return fetched
  }

  async #push(repository: string, layerSizes: readonly number[]): Promise<void> {
    const directory = join(this.directory, repository)
    const image = await buildImage(join(directory, 'blobs'), { layerSizes, seed: this.#images.size }, this.#signal)
    const tree = join(directory, 'tree')
    await writeToBucketTree(tree, { repository, tag: TAG }, image)
    await present(this.#origin).copyTree(tree, this.#signal)
    await rm(directory, { recursive: true, force: true })
    this.#images.set(repository, { repository, image })
  }

  async #start(role: 'agent' | 'cache', peer: { readonly pieceChannel: ChannelKind | 'auto' }): Promise<AgentProcess> {
    const name = role === 'cache' ? role : `agent-${this.#agents++}`
    const ports = { mirror: await this.#ports.take(), peer: await this.#ports.take(), admin: await this.#ports.take() }
    const address = `127.0.0.1:${ports.peer}`
    const caches = [role === 'cache' ? address : this.cache.peerAddress]
    const config = {
      peer: { listen: address, ...peer },
      tier: { caches },
      search: [UPSTREAM],
      upstreams: [{ name: UPSTREAM, access: 'node', origins: [present(this.#origin).agentConfig()] }],
      log: { level: 'warn' },
    }
    const spec = { name, role, directory: join(this.directory, name), ports, config, env: {} }
    return AgentProcess.start(spec, this.#signal)
  }
}

/** Names of what `statfs` calls by number (statfs(2)). */
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x01021994, 'tmpfs'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlayfs'],
])

export async function fileSystemOf(path: string): Promise<string> {
  const { type } = await statfs(path)
  return FILE_SYSTEMS.get(type) ?? `0x${type.toString(16)}`
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new ShoalError('UNAVAILABLE', 'this part of the stage has not been started')
  return value
}

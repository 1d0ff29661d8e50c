import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ShoalError } from '../../src/base/errors.ts'
import { AgentProcess, FreePorts } from '../../src/demo/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { OWN_PREFIX, removeLeftoverDirectories } from '../support/scratch.ts'
import { TaskProcess } from '../support/task-process.ts'
import { pushSmallImages } from './content.ts'
import type { PrewarmBenchOptions } from './options.ts'
import type { HostsState, Task } from './tasks.ts'
import { hostsSchema } from './tasks.ts'

const HOSTS_PROGRAM = fileURLToPath(new URL('./hosts-main.ts', import.meta.url))
const UPSTREAM = 'registry.test'
const REGION = 'bench'

/** The cache with its content, and the processes full of hosts; all of them end with it. */
export class PrewarmStage implements AsyncDisposable {
  readonly #directory: string
  readonly #options: PrewarmBenchOptions
  readonly #signal: AbortSignal
  readonly #stack = new AsyncDisposableStack()
  readonly #processes: TaskProcess<Task>[] = []
  #cache: AgentProcess | undefined
  /** References of what the job is to move. */
  images: readonly string[] = []

  private constructor(directory: string, options: PrewarmBenchOptions, signal: AbortSignal) {
    this.#directory = directory
    this.#options = options
    this.#signal = signal
    this.#stack.defer(() => rm(directory, { recursive: true, force: true }))
  }

  static async open(options: PrewarmBenchOptions, signal: AbortSignal): Promise<PrewarmStage> {
    await removeLeftoverDirectories()
    const directory = await mkdtemp(join(tmpdir(), `${OWN_PREFIX}${process.pid}-prewarm-`))
    const stage = new PrewarmStage(directory, options, signal)
    try {
      await stage.#start()
      return stage
    } catch (error) {
      await stage[Symbol.asyncDispose]()
      throw error
    }
  }

  get cache(): AgentProcess {
    if (this.#cache === undefined) throw new ShoalError('UNAVAILABLE', 'the cache has not been started')
    return this.#cache
  }

  /** Starts the hosts; resolves when each is linked or has given up. */
  async openHosts(): Promise<HostsState> {
    const { hosts, processes } = this.#options
    const cache = this.cache.peerAddress
    const opened = Array.from({ length: processes }, (_, i) => {
      const process = TaskProcess.start<Task>(HOSTS_PROGRAM, `hosts ${i}`, this.#signal)
      this.#processes.push(process)
      const first = Math.floor((hosts * i) / processes)
      const count = Math.floor((hosts * (i + 1)) / processes) - first
      const place = { region: REGION, cache, directory: this.#directory }
      const files = { keyFile: this.#keyFile('agent'), heldFile: this.#heldFile }
      return process.ask({ do: 'open', first, count, ...place, ...files }, hostsSchema)
    })
    return total(await Promise.all(opened))
  }

  async look(): Promise<HostsState> {
    return total(await Promise.all(this.#processes.map((process) => process.ask({ do: 'look' }, hostsSchema))))
  }

  /** All hosts are gone, at once. */
  async closeHosts(): Promise<void> {
    await Promise.all(this.#processes.splice(0).map((process) => process[Symbol.asyncDispose]()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeHosts()
    await this.#stack.disposeAsync()
  }

  async #start(): Promise<void> {
    const { blobs, blobBytes, heldPercent } = this.#options
    const tree = join(this.#directory, 'registry')
    const pushed = await pushSmallImages(tree, blobs, blobBytes)
    this.images = pushed.names.map((name) => `${UPSTREAM}/${name}`)
    const held = pushed.blobs.slice(0, Math.floor((blobs * heldPercent) / 100))
    await writeFile(this.#heldFile, JSON.stringify(held))
    const key = generateFleetKey()
    await writeFile(this.#keyFile('cache'), formatFleetKey(key), { mode: 0o600 })
    await writeFile(this.#keyFile('agent'), formatFleetKey(agentKeyOf(key)), { mode: 0o600 })
    const free = new FreePorts()
    const ports = { mirror: await free.take(), peer: await free.take(), admin: await free.take() }
    const config = {
      fleet: { keyFile: this.#keyFile('cache') },
      tier: { region: REGION, caches: [`127.0.0.1:${ports.peer}`] },
      search: [UPSTREAM],
      upstreams: [{ name: UPSTREAM, access: 'public', origins: [{ kind: 'directory', path: tree }] }],
      log: { level: 'warn' },
    }
    const spec = { name: 'cache', role: 'cache', directory: join(this.#directory, 'cache'), ports, config } as const
    this.#cache = this.#stack.use(await AgentProcess.start({ ...spec, env: {} }, this.#signal))
  }

  get #heldFile(): string {
    return join(this.#directory, 'held.json')
  }

  #keyFile(role: 'cache' | 'agent'): string {
    return join(this.#directory, `${role}.key`)
  }
}

function total(states: readonly HostsState[]): HostsState {
  return {
    linked: states.reduce((sum, { linked }) => sum + linked, 0),
    blobs: states.reduce((sum, { blobs }) => sum + blobs, 0),
  }
}

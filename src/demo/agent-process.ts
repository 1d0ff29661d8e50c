import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { pageLinkSchema } from '../admin/index.ts'
import { ManagedProcess } from './managed-process.ts'
import { MetricsSnapshot } from './metrics-text.ts'
import type { Place } from './place.ts'
import { commandIn, LOOPBACK } from './place.ts'

const PROGRAM = fileURLToPath(new URL(`../main${extname(import.meta.url)}`, import.meta.url))
/** A hang detector: a start takes a second, and on a machine that many share much longer. */
const READY_TIMEOUT_MS = 180_000

/** One daemon to run: where it lives, where it listens, and the rest of its configuration. */
interface AgentSpec {
  readonly name: string
  readonly role: 'agent' | 'cache'
  /** Its configuration file and store go here; deleted at the end. */
  readonly directory: string
  readonly ports: { readonly mirror: number; readonly peer: number; readonly admin: number }
  /** Top-level configuration keys, merged over what this class sets. */
  readonly config: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string>>
  /** The main module of the release that it runs; this one when not said. */
  readonly program?: string | undefined
  /** Where it runs; loopback when not said. Mirror and admin server are on the loopback of that place. */
  readonly place?: Place | undefined
}

/** A daemon (agent or cache) as a real child process, with its servers on loopback. It can be killed and come back. */
export class AgentProcess implements AsyncDisposable {
  readonly name: string
  readonly role: 'agent' | 'cache'
  readonly storeDir: string
  readonly configFile: string
  readonly mirrorUrl: string
  readonly adminUrl: string
  readonly peerAddress: string
  readonly #spec: AgentSpec
  readonly #place: Place
  #program: string
  #process: ManagedProcess | undefined

  constructor(spec: AgentSpec) {
    this.#spec = spec
    this.#place = spec.place ?? LOOPBACK
    this.#program = spec.program ?? PROGRAM
    this.name = spec.name
    this.role = spec.role
    this.storeDir = join(spec.directory, 'store')
    this.configFile = join(spec.directory, 'shoal.yaml')
    this.mirrorUrl = `http://127.0.0.1:${spec.ports.mirror}`
    this.adminUrl = `http://127.0.0.1:${spec.ports.admin}`
    this.peerAddress = `${this.#place.address}:${spec.ports.peer}`
  }

  /** Writes the configuration and starts the daemon; ready when `/readyz` says so. */
  static async start(spec: AgentSpec, signal?: AbortSignal): Promise<AgentProcess> {
    const agent = new AgentProcess(spec)
    try {
      await agent.restart(signal)
      return agent
    } catch (error) {
      await agent[Symbol.asyncDispose]()
      throw error
    }
  }

  get process(): ManagedProcess {
    if (this.#process === undefined) throw new TypeError(`${this.name} was never started`)
    return this.#process
  }

  /** What makes a request its own; it makes it at its first start. */
  get tokenFile(): string {
    return join(this.storeDir, 'admin.token')
  }

  get pid(): number {
    return this.process.pid
  }

  logTail(lines?: number): string {
    return this.process.logTail(lines)
  }

  /** Sends a signal and waits for the end; SIGSTOP and SIGCONT only send. The store stays. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') this.process.signal(signal)
    else await this.process.kill(signal)
  }

  /** Starts it (again) with the same configuration, ports and store. */
  async restart(signal?: AbortSignal): Promise<void> {
    await this.#process?.stop()
    await mkdir(this.#spec.directory, { recursive: true })
    await this.#writeConfig()
    this.#process = await ManagedProcess.start({
      name: this.name,
      ...commandIn(this.#place, process.execPath, [this.#program, 'agent', '--config', this.configFile]),
      env: this.#spec.env,
    })
    await this.#process.waitUntil('ready', () => this.ready(), READY_TIMEOUT_MS, signal)
  }

  /** What it runs from its next start on: the main module of a release; this one when not said. */
  runs(program: string = PROGRAM): void {
    this.#program = program
  }

  /** Starts this release in place of the one it ran, with everything that one left. */
  async upgrade(signal?: AbortSignal): Promise<void> {
    this.runs()
    await this.restart(signal)
  }

  async ready(): Promise<boolean> {
    const { status } = await this.#place.ask(`${this.adminUrl}/readyz`)
    return status === 200
  }

  async metrics(): Promise<MetricsSnapshot> {
    const { text } = await this.#place.ask(`${this.adminUrl}/metrics`)
    return new MetricsSnapshot(text)
  }

  /** What makes a request this host's own: the token that it has made. A release from before tokens needs none. */
  async adminHeaders(): Promise<Record<string, string>> {
    const token = await readFile(this.tokenFile, 'utf8').catch(() => '')
    return token === '' ? {} : { authorization: `Bearer ${token.trim()}` }
  }

  /** `/api/v1/<path>` of its admin server. */
  async api(path: string): Promise<unknown> {
    const headers = await this.adminHeaders()
    const { text } = await this.#place.ask(`${this.adminUrl}/api/v1/${path}`, { headers })
    return JSON.parse(text)
  }

  /** A link to its page, good for one use. */
  async pageUrl(): Promise<string> {
    const headers = await this.adminHeaders()
    const { text } = await this.#place.ask(`${this.adminUrl}/api/v1/page/links`, { method: 'POST', headers })
    return new URL(pageLinkSchema.parse(JSON.parse(text)).path, this.adminUrl).href
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.stop()
    await rm(this.#spec.directory, { recursive: true, force: true })
  }

  /** A disk that takes nothing may have it already. */
  async #writeConfig(): Promise<void> {
    const text = stringify(this.#config())
    const isThere = await readFile(this.configFile, 'utf8').then(
      (before) => before === text,
      () => false,
    )
    if (!isThere) await writeFile(this.configFile, text)
  }

  #config(): Record<string, unknown> {
    const { ports, role, config } = this.#spec
    return {
      role,
      mirror: { listen: `127.0.0.1:${ports.mirror}` },
      peer: { listen: this.peerAddress },
      admin: { listen: `127.0.0.1:${ports.admin}` },
      ...config,
      // where it lies is not the test's to choose
      store: { capacity: '1TiB', minFree: '64MiB', ...(config.store ?? {}), path: this.storeDir },
    }
  }
}

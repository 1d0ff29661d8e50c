import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { errorText } from '../../src/base/errors.ts'
import { AgentProcess } from '../../src/demo/index.ts'
import { SmallDisk } from '../support/small-disk.ts'
import type { Hand } from './hand.ts'
import { InTurn } from './in-turn.ts'
import { logFaults } from './log-faults.ts'

export const PORTS = { mirror: 7070, peer: 7071, admin: 7072 }
/** What a daemon's Node is told so that its clock can be set. */
export const CLOCK_OPTION = `--import=${pathToFileURL(join(import.meta.dirname, 'stepped-clock.ts')).href}`
/** Room for all images of a run, and what is beside them. */
const DISK = { mebibytes: 192, inodes: 4000 }

export interface HostPlace {
  readonly name: string
  readonly role: 'cache' | 'agent'
  readonly region: string
}

export interface HostFiles {
  /** The fleet's keys, a line each. */
  readonly key: string
  readonly config: Readonly<Record<string, unknown>>
  /** Whether its disk is one that can be frozen. */
  readonly freezes: boolean
}

/** A daemon of a run on a disk of its own, with a hand beside it. What is done to its process is done in turn. */
export class ChaosHost implements AsyncDisposable {
  readonly place: HostPlace
  readonly hand: Hand
  readonly agent: AgentProcess
  readonly disk: SmallDisk
  /** What must never be seen of it. */
  readonly breaches: string[] = []
  /** How often it was put out of action. */
  outages = 0
  /** The last lines of all its processes. */
  readonly log: string[] = []
  readonly #keyFile: string
  readonly #clockFile: string
  readonly #turns = new InTurn()
  /** Puts the daemon where it runs, and may then take something from it. */
  readonly #prefix: string[]
  /** Whether it is meant to run, and to answer. */
  #meantToRun = true
  #isUp = false
  #stopped = false
  #isOld = false

  private constructor(place: HostPlace, hand: Hand, directory: string, files: HostFiles) {
    this.place = place
    this.hand = hand
    this.#prefix = [...hand.place.prefix]
    const mount = files.freezes ? SmallDisk.mountOnDevice : SmallDisk.mountInMemory
    this.disk = mount(join(directory, place.name), DISK)
    this.#keyFile = join(directory, `${place.name}.key`)
    this.#clockFile = join(directory, `${place.name}.clock`)
    this.agent = new AgentProcess({
      name: place.name,
      role: place.role,
      directory: join(this.disk.path, 'daemon'),
      ports: PORTS,
      place: { ...hand.place, prefix: this.#prefix },
      env: { NODE_OPTIONS: CLOCK_OPTION, CHAOS_CLOCK: this.#clockFile },
      config: {
        ...files.config,
        fleet: { keyFile: this.#keyFile },
        store: { capacity: '160MiB', minFree: '4MiB' },
        mirror: { listen: `127.0.0.1:${PORTS.mirror}`, drain: '3s' },
        tags: { ttl: '1s' },
        log: { pretty: false },
      },
    })
  }

  static async start(place: HostPlace, hand: Hand, directory: string, files: HostFiles): Promise<ChaosHost> {
    const host = new ChaosHost(place, hand, directory, files)
    try {
      await host.writeKey(files.key)
      await host.#turns.run(() => host.#start())
      return host
    } catch (error) {
      await host[Symbol.asyncDispose]()
      throw error
    }
  }

  get name(): string {
    return this.place.name
  }

  /** Whether it has to answer: it is neither down nor stopped. */
  get answers(): boolean {
    return this.#isUp && !this.#stopped
  }

  kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    return this.#turns.run(() => this.#kill(signal))
  }

  stop(): Promise<void> {
    return this.#turns.run(async () => {
      this.#stopped = true
      this.outages++
      await this.agent.kill('SIGSTOP')
    })
  }

  /** Whatever it was, it runs afterwards, and goes on where it was if it ran. */
  bringBack(): Promise<void> {
    return this.#turns.run(async () => {
      await this.agent.kill('SIGCONT')
      this.#stopped = false
      if (!this.#meantToRun) await this.#start()
    })
  }

  /** Ends it, does something to its files, and starts it again. */
  restart(signal: 'SIGKILL' | 'SIGTERM', between: () => Promise<void> = async () => {}): Promise<void> {
    return this.#turns.run(async () => {
      this.#stopped = false
      await this.agent.kill('SIGCONT')
      await this.#kill(signal)
      await between()
      await this.#start()
    })
  }

  /** What it runs from its next start on; this release when not said. What another writes into its log cannot be mended. */
  runs(program?: string): void {
    this.#isOld = program !== undefined
    this.agent.runs(program)
  }

  /** What is put before the daemon's command line from its next start on. */
  setPrefix(prefix: readonly string[]): void {
    const { length } = this.hand.place.prefix
    this.#prefix.splice(length, this.#prefix.length - length, ...prefix)
  }

  writeKey(lines: string): Promise<void> {
    return writeFile(this.#keyFile, lines, { mode: 0o600 })
  }

  /** Has it read its files again. */
  async reload(): Promise<void> {
    if (this.answers) this.agent.process.signal('SIGHUP')
  }

  setClock(aheadMs: number): Promise<void> {
    return writeFile(this.#clockFile, String(aheadMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#meantToRun = false
    await this.#turns.run(async () => {})
    await this.agent[Symbol.asyncDispose]()
    this.disk.unmount()
  }

  async #kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#meantToRun = false
    this.#isUp = false
    this.outages++
    await this.agent.kill(signal)
  }

  async #start(): Promise<void> {
    this.#meantToRun = true
    try {
      await this.agent.restart()
      this.#isUp = true
    } catch (error) {
      this.breaches.push(`did not start: ${errorText(error)}`)
    }
    const { process } = this.agent
    process.watch((line) => {
      this.log.push(line)
      if (this.log.length > 2_000) this.log.shift()
      if (!this.#isOld) this.breaches.push(...logFaults(line))
    })
    void process.exited.then((how) => {
      if (this.#meantToRun && process === this.agent.process) this.breaches.push(`ended by itself: ${how}`)
    })
  }
}

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { sleep } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'

const SETPRIV = '/usr/bin/setpriv'
const LOG_LINES = 400
const POLL_MS = 40
const STOP_TIMEOUT_MS = 10_000

interface ProcessSpec {
  /** For messages: "agent 3", "dockerd". */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Added to this process's own environment, of which `SHOAL_...` settings are left out. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
}

/**
 * A child process of ours: its output's tail is kept, it is waited for, and it ends with us (by its parent's death
 * signal even when we are killed). Disposing asks it to stop, then kills it. Only this one pid is ever signalled.
 */
export class ManagedProcess implements AsyncDisposable {
  readonly name: string
  readonly exited: Promise<string>
  readonly #child: ChildProcess
  readonly #log: string[] = []
  readonly #watchers = new Set<(line: string) => void>()
  #exit: string | undefined

  private constructor(name: string, child: ChildProcess) {
    this.name = name
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) if (stream !== null) this.#follow(stream)
    this.exited = new Promise((resolve) => {
      // 'close' comes after the last line of output, 'exit' may not.
      child.once('close', (code, signal) => {
        this.#exit = signal === null ? `exit code ${code}` : `signal ${signal}`
        resolve(this.#exit)
      })
    })
  }

  /** Starts the program. Throws `UNAVAILABLE` when it cannot be run at all. */
  static async start(spec: ProcessSpec): Promise<ManagedProcess> {
    const tied = existsSync(SETPRIV)
    const command = tied ? SETPRIV : spec.command
    const args = tied ? ['--pdeathsig', 'TERM', '--', spec.command, ...spec.args] : [...spec.args]
    const child = spawn(command, args, {
      cwd: spec.cwd,
      env: { ...inheritedEnv(), ...spec.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const started = new ManagedProcess(spec.name, child)
    try {
      await once(child, 'spawn')
    } catch (cause) {
      throw new ShoalError('UNAVAILABLE', `cannot run ${spec.command}`, { cause })
    }
    return started
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get running(): boolean {
    return this.#exit === undefined
  }

  /** The last lines of its output, both streams. */
  logTail(lines = 40): string {
    return this.#log.slice(-lines).join('\n')
  }

  /** Hands on the lines of its output, beginning with those kept. */
  watch(onLine: (line: string) => void): void {
    for (const line of this.#log) onLine(line)
    this.#watchers.add(onLine)
  }

  /** Sends a signal without waiting for its effect: SIGSTOP and SIGCONT as well. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal)
  }

  /** Sends a signal and waits for the end. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<string> {
    this.signal(signal)
    return this.exited
  }

  /** Asks the process to end, kills it when it has not within ten seconds. */
  async stop(): Promise<string> {
    // A stopped process (SIGSTOP) would never see the request.
    this.signal('SIGCONT')
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_TIMEOUT_MS)
    try {
      return await this.exited
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Waits until `probe` returns true (an error counts as "not yet"). Throws `UNAVAILABLE` with the log's tail when the
   * process ends first or `timeoutMs` pass.
   */
  async waitUntil(
    what: string,
    probe: () => Promise<boolean>,
    timeoutMs = 30_000,
    signal?: AbortSignal,
  ): Promise<void> {
    const deadline = systemClock.now() + timeoutMs
    const keepAlive = setInterval(() => {}, POLL_MS)
    try {
      while (!(await probe().catch(() => false))) {
        signal?.throwIfAborted()
        if (!this.running) throw this.failure(`ended (${this.#exit}) before ${what}`)
        if (systemClock.now() > deadline) throw this.failure(`took more than ${timeoutMs} ms for: ${what}`)
        await sleep(systemClock, POLL_MS, signal)
      }
    } finally {
      clearInterval(keepAlive)
    }
  }

  /** Waits for a line of output that `match` accepts, and returns what it made of it. Also looks at lines already read. */
  async waitForLine<T extends object>(
    what: string,
    match: (line: string) => T | undefined,
    timeoutMs = 30_000,
  ): Promise<T> {
    let found: T | undefined = this.#log.map(match).find((value) => value !== undefined)
    const watcher = (line: string): void => {
      found ??= match(line)
    }
    this.#watchers.add(watcher)
    try {
      await this.waitUntil(what, async () => found !== undefined, timeoutMs)
      return found as T
    } finally {
      this.#watchers.delete(watcher)
    }
  }

  /** An error about this process that carries the end of its log. */
  failure(what: string): ShoalError {
    return new ShoalError('UNAVAILABLE', `${this.name} (pid ${this.pid}) ${what}\n--- its log:\n${this.logTail()}\n---`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #follow(stream: Readable): void {
    createInterface({ input: stream }).on('line', (line) => {
      this.#log.push(line)
      if (this.#log.length > LOG_LINES) this.#log.shift()
      for (const watcher of this.#watchers) watcher(line)
    })
  }
}

/** Settings meant for this process (or for tests) must not configure the daemons it starts. */
function inheritedEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('SHOAL_')))
}

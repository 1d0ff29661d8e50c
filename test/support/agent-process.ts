import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'

const ROOT = join(import.meta.dirname, '../..')
const readySchema = z.object({ msg: z.literal('ready'), mirror: z.string(), peer: z.string(), admin: z.string() })

export interface AgentSpec {
  /** Default: config/agent.yaml. */
  readonly config?: string
  /** More `--set`. */
  readonly set?: readonly string[]
  /** A descriptor for standard error; without it the log is read here. */
  readonly stderr?: number
  /** Put before the command, such as `prlimit`. */
  readonly prefix?: readonly string[]
}

/** An agent as `npm start` runs it, but on free ports and with its data in `directory`. */
export class AgentProcess implements AsyncDisposable {
  readonly child: ChildProcess
  readonly log: string[] = []
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly ready: Promise<z.infer<typeof readySchema>>

  constructor(directory: string, spec: AgentSpec = {}) {
    const set = [
      'mirror.listen=127.0.0.1:0',
      'peer.listen=127.0.0.1:0',
      'admin.listen=127.0.0.1:0',
      'log.pretty=false',
      'store.minFree=0',
      ...(spec.config === undefined
        ? ['upstreams.0.name=docker.invalid', 'upstreams.0.origins.0.url=http://127.0.0.1:1', 'search=[local]']
        : []),
      ...(spec.set ?? []),
    ]
    const args = [join(ROOT, 'src/main.ts'), 'agent', '--config', spec.config ?? join(ROOT, 'config/agent.yaml')]
    const flags = set.flatMap((assignment) => ['--set', assignment])
    const [command = process.execPath, ...rest] = [...(spec.prefix ?? []), process.execPath, ...args, ...flags]
    this.child = spawn(command, rest, {
      cwd: directory,
      env: { PATH: process.env.PATH ?? '' },
      stdio: ['ignore', 'ignore', spec.stderr ?? 'pipe'],
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
    this.ready = this.#untilReady()
    // a test that has no log to read asks the admin port instead
    this.ready.catch(() => {})
  }

  /** The log's entries with this message, or whose message begins with it. */
  entries(message: string): Record<string, unknown>[] {
    return this.log
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => String(msg).startsWith(message))
  }

  async #untilReady(): Promise<z.infer<typeof readySchema>> {
    if (this.child.stderr === null) throw new Error('the log goes elsewhere')
    const lines = createInterface({ input: this.child.stderr })
    return await new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        this.log.push(line)
        const entry = readySchema.safeParse(line.startsWith('{') ? JSON.parse(line) : undefined)
        if (entry.success) resolve(entry.data)
      })
      lines.once('close', () => reject(new Error(`ended before it was ready:\n${this.log.join('\n')}`)))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null) this.child.kill('SIGKILL')
    await this.ended
  }
}

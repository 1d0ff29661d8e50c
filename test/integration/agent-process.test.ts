import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { runCommand } from '../support/run-command.ts'
import { TempDir } from '../support/temp-dir.ts'

const ROOT = join(import.meta.dirname, '../..')
const readySchema = z.object({ msg: z.literal('ready'), mirror: z.string(), peer: z.string(), admin: z.string() })

/** An agent as `npm start` runs it, but on free ports and with its data in `directory`. */
class AgentProcess implements AsyncDisposable {
  readonly child: ChildProcess
  readonly log: string[] = []
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly ready: Promise<z.infer<typeof readySchema>>

  constructor(directory: string) {
    const set = [
      'mirror.listen=127.0.0.1:0',
      'peer.listen=127.0.0.1:0',
      'admin.listen=127.0.0.1:0',
      'log.pretty=false',
      'store.minFree=0',
      'upstreams.0.name=docker.invalid',
      'upstreams.0.origins.0.url=http://127.0.0.1:1',
      'search=[local]',
    ]
    const args = [join(ROOT, 'src/main.ts'), 'agent', '--config', join(ROOT, 'config/agent.yaml')]
    const flags = set.flatMap((assignment) => ['--set', assignment])
    this.child = spawn(process.execPath, [...args, ...flags], {
      cwd: directory,
      env: { PATH: process.env.PATH ?? '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
    this.ready = this.#untilReady()
  }

  async #untilReady(): Promise<z.infer<typeof readySchema>> {
    const lines = createInterface({ input: this.child.stderr ?? process.stdin })
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

describe('an agent with the configuration that comes with it', () => {
  it('gets ready, answers all commands, and stops in good order on SIGTERM', async () => {
    await using dir = await TempDir.make()
    await using agent = new AgentProcess(dir.path)
    const { mirror, admin } = await agent.ready
    const url = `http://${admin}`
    assert.equal((await fetch(`${url}/healthz`)).status, 200)
    assert.equal((await fetch(`${url}/readyz`)).status, 200)
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^nodejs_eventloop_lag_seconds /m)
    assert.equal((await fetch(`http://${mirror}/v2/`)).status, 200)
    for (const args of [['status'], ['status', '--json'], ['transfers']]) {
      const { code, stderr } = await runCommand([...args, '--admin', url])
      assert.equal(code, 0, stderr)
    }
    agent.child.kill('SIGTERM')
    assert.deepEqual(await agent.ended, { code: 0, signal: null }, agent.log.join('\n'))
  })

  it('leaves what it needs to start again after kill -9', async () => {
    await using dir = await TempDir.make()
    {
      await using killed = new AgentProcess(dir.path)
      await killed.ready
    }
    await using agent = new AgentProcess(dir.path)
    await agent.ready
    agent.child.kill('SIGINT')
    assert.deepEqual(await agent.ended, { code: 0, signal: null }, agent.log.join('\n'))
  })
})

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { AdminServer } from '../../src/admin/index.ts'
import { silentLogger } from '../../src/base/log.ts'
import { PrometheusRegistry } from '../../src/node/index.ts'
import { adminOptions, MemoryAdminSource, quietEntrances } from '../support/admin-source.ts'
import { TempDir } from '../support/temp-dir.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

/** `shoal` as a process of its own, with what it writes. */
class ShoalProcess {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env.PATH ?? '', ...env } })
    this.child.stdout?.on('data', (chunk) => {
      this.stdout += String(chunk)
    })
    this.child.stderr?.on('data', (chunk) => {
      this.stderr += String(chunk)
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
  }
}

describe('the shoal process', () => {
  it('ends with 2 and one line per problem when the configuration is wrong', async () => {
    await using dir = await TempDir.make()
    const file = join(dir.path, 'agent.yaml')
    await writeFile(file, 'rol: agent\nstore: { capacity: lots }\n')
    const shoal = new ShoalProcess(['agent', '--config', file, '--set', 'mirror.prot=1'], { SHOAL_LOG_LEVEL: 'loud' })
    assert.deepEqual(await shoal.ended, { code: 2, signal: null })
    assert.equal(shoal.stdout, '')
    const lines = shoal.stderr.trim().split('\n')
    assert.equal(lines.length, 4, shoal.stderr)
    for (const line of lines) assert.match(line, /^shoal: .*(rol|store\.capacity|mirror\.prot|log\.level): .*; allowed/)
  })

  it('ends with 0 when help is asked for', async () => {
    const shoal = new ShoalProcess(['--help'])
    assert.deepEqual(await shoal.ended, { code: 0, signal: null })
    assert.match(shoal.stdout, /Usage: shoal/)
  })

  it('ends a watch on SIGINT with 0, and does not mind a reader that left', async () => {
    const deps = {
      source: new MemoryAdminSource(),
      metrics: new PrometheusRegistry(),
      logger: silentLogger,
      ...quietEntrances(),
    }
    await using server = await AdminServer.start(deps, adminOptions())
    const args = ['status', '--watch', '--json', '--admin', `http://127.0.0.1:${server.address.port}`]
    const interrupted = new ShoalProcess(args)
    const left = new ShoalProcess(args)
    await Promise.all([interrupted, left].map(({ child }) => child.stdout && once(child.stdout, 'data')))
    interrupted.child.kill('SIGINT')
    left.child.stdout?.destroy()
    assert.deepEqual(await interrupted.ended, { code: 0, signal: null }, interrupted.stderr)
    assert.deepEqual(await left.ended, { code: 0, signal: null }, left.stderr)
    assert.equal(interrupted.stderr + left.stderr, '')
  })
})

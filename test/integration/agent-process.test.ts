import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { AgentProcess } from '../support/agent-process.ts'
import { runCommand } from '../support/run-command.ts'
import { TempDir } from '../support/temp-dir.ts'

describe('an agent with the configuration that comes with it', () => {
  it('gets ready, answers all commands, and stops in good order on SIGTERM', async () => {
    await using dir = await TempDir.make()
    await using agent = new AgentProcess(dir.path)
    const { mirror, admin } = await agent.ready
    const url = `http://${admin}`
    assert.equal((await fetch(`${url}/healthz`)).status, 200)
    assert.equal((await fetch(`${url}/readyz`)).status, 200)
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^nodejs_eventloop_lag_p99_seconds /m)
    assert.equal((await fetch(`http://${mirror}/v2/`)).status, 200)
    for (const args of [['status'], ['status', '--json'], ['transfers']]) {
      const { code, stderr } = await runCommand([...args, '--admin', url])
      assert.equal(code, 0, stderr)
    }
    const own = ['--admin', url, '--token-file', join(dir.path, '.shoal/admin.token')]
    assert.equal((await runCommand(['logs', 'level', ...own])).stdout, 'info\n')
    const { stdout } = await runCommand(['logs', 'level', 'debug', '--for', '1h', ...own])
    assert.match(stdout, /^debug for (1h|60m|59m), then info again\n$/)
    assert.equal((await runCommand(['logs', 'level', 'loud', ...own])).code, 2)
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

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { FreePorts } from '../../src/demo/index.ts'
import type { AgentSpec } from '../support/agent-process.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { eventually } from '../support/eventually.ts'
import { tempDir } from '../support/temp-dir.ts'

const UPSTREAM = `upstreams: [{ name: registry.test, access: public, origins: [{ kind: directory, path: ./images }] }]`

async function configured(t: TestContext, text: string): Promise<{ directory: string; file: string }> {
  const directory = await tempDir(t)
  const file = join(directory, 'agent.yaml')
  await writeFile(file, text)
  return { directory, file }
}

async function reachable(t: TestContext, directory: string, stderr: number): Promise<AgentProcess> {
  const port = await new FreePorts().take()
  const spec: AgentSpec = { stderr, set: [`admin.listen=127.0.0.1:${port}`] }
  const agent = new AgentProcess(directory, spec)
  t.after(() => agent[Symbol.asyncDispose]())
  await eventually('the agent is ready', async () => {
    assert.equal(agent.child.exitCode, null, 'ended')
    return (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.status === 200
  })
  assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`)).status, 200)
  return agent
}

describe('SIGHUP', () => {
  it('takes up what it can of a changed configuration, and says what needs a restart', async (t) => {
    const { directory, file } = await configured(t, `search: [registry.test]\n${UPSTREAM}\n`)
    await using agent = new AgentProcess(directory, { config: file })
    const { admin, mirror } = await agent.ready
    assert.equal((await fetch(`http://${mirror}/v2/app/manifests/v1?ns=other.test`)).status, 404)
    const changed = [
      'search: [other.test]',
      'limits: { upload: 5MiB }',
      'log: { level: debug }',
      'store: { scrub: 1d }',
      'mirror: { hosts: [mirror.corp] }',
      'tier: { region: elsewhere }',
      UPSTREAM.replace('registry.test', 'other.test'),
    ]
    await writeFile(`${file}.new`, changed.join('\n'))
    await rename(`${file}.new`, file)
    agent.child.kill('SIGHUP')
    const entry = await eventually('it is said in the log', () => agent.entries('SIGHUP')[0])
    assert.deepEqual(
      new Set(entry?.applied as string[]),
      new Set([
        ...['search', 'limits.upload', 'log.level', 'store.scrub', 'mirror.hosts'],
        ...['upstreams.registry.test', 'upstreams.other.test'],
      ]),
    )
    assert.deepEqual(entry?.needRestart, ['tier.region'])
    const limits = await (await fetch(`http://${admin}/api/v1/limits`)).json()
    assert.deepEqual(limits, { upload: 5 * 1024 * 1024, download: 0, origin: 0, prewarm: 0 })
    const status = (await (await fetch(`http://${admin}/api/v1/status`)).json()) as { upstreams: { name: string }[] }
    assert.deepEqual(
      status.upstreams.map(({ name }) => name),
      ['other.test'],
    )
  })

  it('keeps the old configuration when the file has a mistake, and says which', async (t) => {
    const { directory, file } = await configured(t, `limits: { upload: 5MiB }\nsearch: [registry.test]\n${UPSTREAM}\n`)
    await using agent = new AgentProcess(directory, { config: file })
    const { admin } = await agent.ready
    await writeFile(file, 'limits: { upload: fast }\n')
    agent.child.kill('SIGHUP')
    const message = 'SIGHUP: the configuration was not taken up'
    const found = await eventually('it is said in the log', () => agent.entries(message)[0])
    assert.match(String(found?.reason), /agent\.yaml.*limits\.upload/)
    const limits = (await (await fetch(`http://${admin}/api/v1/limits`)).json()) as { upload: number }
    assert.equal(limits.upload, 5 * 1024 * 1024)
    agent.child.kill('SIGTERM')
    assert.deepEqual(await agent.ended, { code: 0, signal: null })
  })
})

describe('an agent whose log cannot be written', () => {
  it('starts, serves and stops while nobody reads its pipe', async (t) => {
    const directory = await tempDir(t)
    const path = join(directory, 'log')
    execFileSync('mkfifo', [path])
    const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const write = openSync(path, constants.O_WRONLY)
    t.after(() => {
      closeSync(read)
      closeSync(write)
    })
    const fill = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
    assert.throws(() => {
      for (;;) writeSync(fill, Buffer.alloc(4096))
    }, /EAGAIN/)
    closeSync(fill)
    const agent = await reachable(t, directory, write)
    agent.child.kill('SIGTERM')
    assert.deepEqual(await agent.ended, { code: 0, signal: null })
  })

  it('starts, serves and stops with its log on a full disk', async (t) => {
    const full = openSync('/dev/full', 'w')
    t.after(() => closeSync(full))
    const agent = await reachable(t, await tempDir(t), full)
    agent.child.kill('SIGTERM')
    assert.deepEqual(await agent.ended, { code: 0, signal: null })
  })
})

describe('SIGUSR1', () => {
  it('opens no debugger, through which other users of the host could be the agent', async (t) => {
    await using agent = new AgentProcess(await tempDir(t))
    const { admin } = await agent.ready
    agent.child.kill('SIGUSR1')
    // this one comes after it, and is said in the log
    agent.child.kill('SIGHUP')
    await eventually('the signals have come', () => agent.entries('SIGHUP')[0])
    assert.equal((await fetch(`http://${admin}/healthz`)).status, 200)
    assert.doesNotMatch(agent.log.join('\n'), /[Dd]ebugger/)
  })
})

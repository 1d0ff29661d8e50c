import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { AgentProcess } from '../support/agent-process.ts'
import { eventually } from '../support/eventually.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { TempDir } from '../support/temp-dir.ts'

const ROOT = join(import.meta.dirname, '../..')

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** The agents whose command line has `mark` in it, by process id. */
function agentsWith(mark: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const words = readFileSync(join('/proc', name, 'cmdline'), 'utf8').split('\0')
      return words[0] === process.execPath && words.includes('agent') && words.includes(mark) ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

test('a restart in the middle of a pull refuses nobody when systemd holds the port', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 256 * 1024, layerCount: 8 })
  const origin = await fleet.push('origin', 'team/app', 'v1', image)
  await using dir = await TempDir.make()
  const port = await freePort()
  const file = join(dir.path, 'agent.yaml')
  const config = {
    mirror: { listen: `127.0.0.1:${port}` },
    peer: { listen: '127.0.0.1:0' },
    admin: { listen: '127.0.0.1:0' },
    store: { path: join(dir.path, 'store'), minFree: 0 },
    search: ['registry.test'],
    upstreams: [directoryUpstream('registry.test', origin)],
  }
  await writeFile(file, stringify(config))
  // each agent is a process of its own that finds the socket where systemd's tool has put it
  const twice = 'for turn in 1 2; do sh -c \'LISTEN_PID=$$ exec "$@"\' sh "$@"; done'
  const command = [process.execPath, join(ROOT, 'src/main.ts'), 'agent', '--config', file]
  const args = ['-l', `127.0.0.1:${port}`, '--fdname=mirror', 'sh', '-c', twice, 'sh', ...command]
  const holder = spawn('systemd-socket-activate', args, { stdio: 'ignore' })
  t.after(async () => {
    for (const pid of agentsWith(file)) process.kill(pid, 'SIGKILL')
    holder.kill('SIGKILL')
    for (const pid of agentsWith(file)) process.kill(pid, 'SIGKILL')
  })
  const url = `http://127.0.0.1:${port}/v2/team/app`
  await eventually('the port is open', () =>
    fetch(`http://127.0.0.1:${port}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  const [first] = agentsWith(file)
  assert.ok(first !== undefined)
  const layers: number[] = []
  for (const [i, { digest }] of image.layers.entries()) {
    if (i === 3) process.kill(first, 'SIGTERM')
    const response = await fetch(`${url}/blobs/${digest}`)
    layers.push(response.status)
    await response.arrayBuffer()
  }
  assert.deepEqual(
    layers,
    image.layers.map(() => 200),
  )
  await eventually('the first agent has ended', () => !agentsWith(file).includes(first))
  const response = await fetch(`${url}/manifests/v1`)
  assert.equal(response.status, 200, 'the next one answers what came in between')
  assert.notDeepEqual(agentsWith(file), [first])
})

test('systemd is told when the agent is ready, alive and stopping', async () => {
  await using dir = await TempDir.make()
  const told = join(dir.path, 'told')
  // systemd's own program sends to a socket that only systemd opens: what it is asked to say is what counts
  const program = join(dir.path, 'systemd-notify')
  await writeFile(program, `#!/bin/sh\necho "$2" >> ${told}\n`)
  await chmod(program, 0o755)
  const env = ['env', `PATH=${dir.path}:${process.env.PATH}`, 'NOTIFY_SOCKET=/run/none', 'WATCHDOG_USEC=200000']
  await using agent = new AgentProcess(dir.path, { prefix: env })
  await agent.ready
  const lines = async (): Promise<string[]> => (await readFile(told, 'utf8').catch(() => '')).split('\n')
  await eventually('signs of life', async () => (await lines()).filter((line) => line === 'WATCHDOG=1').length > 1)
  agent.child.kill('SIGTERM')
  assert.equal((await agent.ended).code, 0)
  const said = await eventually('all is said', async () => {
    const all = await lines()
    return all.includes('STOPPING=1') ? all : undefined
  })
  assert.equal(said?.[0], '--ready')
})

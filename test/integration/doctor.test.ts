import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { manifestChildren, parseManifest } from '../../src/oci/manifest.ts'
import { PROBE_DIGEST, PROBE_REPOSITORY } from '../../src/registry/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'
import { tempDir } from '../support/temp-dir.ts'

interface Report {
  readonly ok: boolean
  readonly exitCode: number
  readonly findings: readonly { check: string; level: string; text: string; remedy: string | null; exitCode: number }[]
}

/** Beside the runtimes that happen to be installed on this machine. */
async function doctor(
  node: TestNode | undefined,
  config: string,
  ...options: readonly string[]
): Promise<Report & { code: number; text: string }> {
  const admin =
    node === undefined ? ['http://127.0.0.1:1'] : [node.adminUrl, '--token-file', join(node.storeDir, 'admin.token')]
  const args = ['doctor', '--config', config, '--admin', ...admin, ...options]
  const { code, stdout, stderr } = await runCommand([...args, '--json'])
  assert.equal(stderr, '')
  // parsed by nobody else: this is the command's own JSON
  const report = JSON.parse(stdout) as Report
  const findings = report.findings.filter(({ check }) => check !== 'runtime')
  return { ...report, findings, code, text: (await runCommand(args)).stdout }
}

async function configured(t: TestContext, yaml = ''): Promise<string> {
  const directory = await tempDir(t)
  const file = join(directory, 'agent.yaml')
  await writeFile(file, `store: { path: ${directory}, capacity: 64MiB, minFree: 1MiB }\n${yaml}`)
  return file
}

const wrong = ({ findings }: Report) => findings.filter(({ level }) => level !== 'ok')

async function started(t: TestContext) {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 8192, layerCount: 1 })
  const upstreams = [directoryUpstream('registry.test', await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ role: 'cache', upstreams })
  return { fleet, upstreams, cache, agent: await fleet.start({ upstreams, caches: [cache] }) }
}

test('a host that is well has nothing wrong, and exit code 0', async (t) => {
  const { agent } = await started(t)
  const report = await doctor(agent, await configured(t))
  assert.deepEqual([report.code, report.ok, wrong(report)], [0, true, []])
  const checks = new Set(report.findings.map(({ check }) => check))
  for (const check of ['configuration', 'agent', 'version', 'mirror', 'peers', 'tier', 'identity', 'origins', 'disk']) {
    assert.ok(checks.has(check), check)
  }
  assert.match(report.text, /^ok +mirror +answers at 127\.0\.0\.1:/m)
})

test('origins are tried with an image, and one that wants a login is named with its remedy', async (t) => {
  const { agent, fleet } = await started(t)
  const image = ['--image', 'registry.test/team/app:v1']
  const served = await doctor(agent, await configured(t), ...image)
  assert.match(served.text, /^ok +origins +registry\.test\/team\/app:v1 is sha256:/m)
  const registry = createServer((_, response) =>
    response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end(),
  )
  registry.listen(0, '127.0.0.1')
  await once(registry, 'listening')
  t.after(() => registry.close())
  const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`
  const credentials = { username: 'u', password: 'wrong' }
  const origins = [{ kind: 'registry', url, credentials }] as const
  const host = await fleet.start({ upstreams: [{ name: 'registry.test', access: 'node', origins }] })
  const refused = await doctor(host, await configured(t), ...image)
  assert.equal(refused.code, 1)
  assert.ok(wrong(refused).every(({ check }) => check === 'origins'))
  assert.ok(
    wrong(refused).some(({ remedy }) => remedy?.includes('credentials')),
    JSON.stringify(wrong(refused)),
  )
})

test('every mirror has an image that no registry has, by which a runtime is seen to pull through an agent', async (t) => {
  const { agent, cache } = await started(t)
  const at = async (path: string) => agent.get('registry.test', `${PROBE_REPOSITORY}/${path}`)
  const found = await at('manifests/any')
  const bytes = new Uint8Array(await found.arrayBuffer())
  assert.deepEqual([found.status, digestOf(bytes)], [200, PROBE_DIGEST])
  for (const { digest, size } of manifestChildren(parseManifest(bytes))) {
    const blob = new Uint8Array(await (await at(`blobs/${digest}`)).arrayBuffer())
    assert.deepEqual([digestOf(blob), blob.length], [digest, size])
  }
  for (const path of [`manifests/sha256:${'0'.repeat(64)}`, `blobs/${PROBE_DIGEST}`, 'tags/list']) {
    assert.equal((await at(path)).status, 404, path)
  }
  assert.deepEqual([await agent.originRequests(), await cache.originRequests()], [0, 0])
})

test('a cache that is gone, and one whose port answers and links nobody, are told apart', async (t) => {
  const { agent, cache, fleet, upstreams } = await started(t)
  await cache.node[Symbol.asyncDispose]()
  const isMissed = async (node: TestNode): Promise<boolean> => {
    const { tier } = (await node.admin('status')) as { tier: { caches: { state: string }[] } }
    return tier.caches.every(({ state }) => state === 'unreachable')
  }
  await eventually('the cache is missed', () => isMissed(agent))
  const gone = await doctor(agent, await configured(t))
  assert.equal(gone.code, 1)
  assert.match(wrong(gone)[0]?.text ?? '', /^nobody answers at 127\.0\.0\.1:\d+ \(a cache of region default\)$/)
  assert.match(gone.text, /^ERROR +tier .*\n +-> see whether that cache runs/m)
  // somebody listens there, and is no host of the fleet
  const stranger = createTcpServer((socket) => socket.on('error', () => {}).destroy())
  stranger.listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  t.after(() => stranger.close())
  const { port } = stranger.address() as AddressInfo
  const lost = await fleet.start({ upstreams, caches: [{ peerAddress: `127.0.0.1:${port}` } as TestNode] })
  await eventually('it is not reached', () => isMissed(lost))
  const refused = await doctor(lost, await configured(t))
  assert.match(wrong(refused)[0]?.text ?? '', /answers, but there is no link to it/)
  assert.match(wrong(refused)[0]?.remedy ?? '', /fleet\.keyFile/)
})

test('without an agent, and with a configuration that would not start, each is said', async (t) => {
  const none = await doctor(undefined, await configured(t))
  assert.deepEqual([none.code, wrong(none).map(({ check }) => check)], [1, ['agent']])
  const broken = await doctor(undefined, await configured(t, 'role: agnet\n'))
  assert.deepEqual([broken.code, broken.exitCode], [2, 2])
  assert.match(wrong(broken)[0]?.text ?? '', /agent\.yaml:2: role/)
})

test("a clock that differs from a registry's is found", async (t) => {
  let date = new Date(Date.now() - 10 * 60_000)
  const registry = createServer((_, response) => response.setHeader('date', date.toUTCString()).end('{}'))
  registry.listen(0, '127.0.0.1')
  await once(registry, 'listening')
  t.after(() => registry.close())
  const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`
  const yaml = `upstreams: [{ name: registry.corp, origins: [{ kind: registry, url: "${url}" }] }]\n`
  const clock = ({ findings }: Report) => findings.find(({ check }) => check === 'clock')
  const late = clock(await doctor(undefined, await configured(t, yaml)))
  assert.equal(late?.level, 'error')
  assert.match(late?.text ?? '', /^\d+ s before that of 127\.0\.0\.1:\d+$/)
  date = new Date(Date.now() + 2 * 60_000)
  assert.equal(clock(await doctor(undefined, await configured(t, yaml)))?.level, 'warning')
})

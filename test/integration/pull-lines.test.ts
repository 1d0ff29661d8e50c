import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { z } from 'zod'
import type { Logger } from '../../src/base/log.ts'
import type { UpstreamConfig } from '../../src/config/index.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024
const UP = 'registry.corp'

const sourcesSchema = z.object({
  local: z.number(),
  peer: z.number(),
  home: z.number(),
  parent: z.number(),
  origin: z.number(),
})
const pullSchema = z.object({
  image: z.string(),
  runtime: z.string(),
  client: z.string(),
  result: z.string(),
  seconds: z.number(),
  bytes: z.number(),
  from: sourcesSchema,
})
const refusalSchema = z.object({
  image: z.string(),
  runtime: z.string(),
  status: z.number(),
  code: z.string(),
  cause: z.string(),
})

/** What a host says at info and above. */
class Lines implements Logger {
  readonly said: { readonly message: string; readonly fields: object }[] = []
  debug(): void {}
  info = (fields: object, message: string): void => void this.said.push({ fields, message })
  warn = this.info
  error = this.info
  child(): Logger {
    return this
  }

  of(message: string): object[] {
    return this.said.filter((line) => line.message === message).map(({ fields }) => fields)
  }
}

interface Host {
  readonly node: TestNode
  readonly lines: Lines
}

async function alone(t: TestContext, upstreams: readonly UpstreamConfig[]): Promise<Host> {
  const lines = new Lines()
  const fleet = await NodeFleet.create(t)
  return { node: await fleet.start({ upstreams, logger: lines }), lines }
}

function shoalPull({ addresses }: TestNode['node'], reference: string): Promise<{ stdout: string; stderr: string }> {
  return runCommand(['pull', reference, '--mirror', `http://${addresses.mirror}`])
}

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

test('a pull is one line: image, runtime, bytes by source that are what was sent, seconds, result', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 6 * MIB, layerCount: 3 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ upstreams, role: 'cache' })
  const lines = new Lines()
  const agent = await fleet.start({ upstreams, caches: [cache], logger: lines })
  const { stdout } = await shoalPull(agent.node, `${UP}/team/app:v1`)
  const [line, ...others] = lines.of('pull').map((fields) => pullSchema.parse(fields))
  assert.deepEqual(others, [])
  assert.ok(line !== undefined)
  assert.match(line.runtime, /^shoal\/\d/)
  assert.deepEqual([line.image, line.client, line.result], [`${UP}/team/app:v1`, '127.0.0.1', 'done'])
  assert.equal(line.bytes, image.sizeBytes)
  assert.ok(line.seconds > 0)
  const { local, home, ...rest } = line.from
  assert.deepEqual(rest, { peer: 0, parent: 0, origin: 0 })
  assert.equal(local + home, line.bytes)
  assert.equal(home, await agent.received('home'), 'what it says came is what the host counts')
  // the command says the same
  assert.match(stdout, /\(from home\)\n$/)
  const metrics = await agent.metrics()
  assert.equal(metrics.sum('shoal_pulls_total', { result: 'done' }), 1)
  assert.equal(metrics.sum('shoal_pull_seconds_count'), 1)
  const sent = (await cache.metrics()).sum('shoal_sent_bytes_total', { to: 'region' })
  // a piece that nobody waited for any more is counted by its sender only
  assert.ok(sent >= home && sent < 1.1 * home, 'what a cache sends to its region its host counts as from home')
})

test('a pull of what is here already came from here', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 2 * MIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'app', 'v1', image))]
  const lines = new Lines()
  const node = await fleet.start({ upstreams, logger: lines })
  for (let i = 0; i < 2; i++) await shoalPull(node.node, `${UP}/app:v1`)
  const [first, second] = lines.of('pull').map((fields) => pullSchema.parse(fields))
  assert.equal(first?.from.origin, image.sizeBytes - image.manifest.size)
  assert.deepEqual([second?.from.local, second?.from.origin], [image.sizeBytes, 0])
})

test('three causes of a 404 are three different lines, and the command tells them, too', async (t) => {
  const dead = `http://127.0.0.1:${await deadPort()}`
  const origins = [{ kind: 'registry', url: dead, credentials: null }] as unknown as UpstreamConfig['origins']
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const known = directoryUpstream(UP, await fleet.push('origin', 'app', 'v1', image))
  const { node, lines } = await alone(t, [known, { name: 'dead.corp', access: 'node', origins }])
  const causes = [
    [`${UP}/app:v2`, /^registry\.corp\/app has no tag v2$/],
    ['dead.corp/app:v1', new RegExp(`^${dead} cannot be reached: connect ECONNREFUSED`)],
    ['typo.corp/app:v1', /^no upstream is called typo\.corp/],
  ] as const
  for (const [reference, cause] of causes) {
    const { stderr } = await shoalPull(node.node, reference)
    const [line, ...others] = lines.of('refused').map((fields) => refusalSchema.parse(fields))
    lines.said.length = 0
    // HEAD and GET were refused for the same reason
    assert.deepEqual(others, [])
    assert.match(line?.cause ?? '', cause)
    assert.equal(line?.image, reference)
    assert.ok(stderr.includes(line?.cause ?? 'no line'), stderr)
  }
  assert.deepEqual(lines.of('pull'), [], 'what was refused from the beginning is told once')
})

test('made-up names without end do not fill the log, and how many are left out is said', async (t) => {
  const { node, lines } = await alone(t, [directoryUpstream(UP, '/nowhere')])
  for (let i = 0; i < 300; i++) await node.get(UP, `app/manifests/made-up-${i}`)
  const told = lines.of('refused').length
  assert.ok(told >= 50 && told < 200, `${told} lines`)
  await eventually('the next line says how many were left out', async () => {
    await node.get(UP, `app/manifests/late-${Math.random()}`)
    const untold = lines.of('refused').map((fields) => z.object({ untold: z.number() }).parse(fields).untold)
    return untold.some((count) => count > 0)
  })
})

test('/api/v1/events tells the same as it happens, and what was before to who comes late', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'app', 'v1', image))]
  const node = await fleet.start({ upstreams })
  const stop = new AbortController()
  const open = async (headers: Record<string, string> = {}) => {
    const own = await node.adminHeaders()
    const response = await fetch(`${node.adminUrl}/api/v1/events`, {
      headers: { ...own, ...headers },
      signal: stop.signal,
    })
    assert.equal(response.headers.get('content-type'), 'text/event-stream')
    assert.ok(response.body !== null)
    return response.body.pipeThrough(new TextDecoderStream()).getReader()
  }
  const until = async (reader: Awaited<ReturnType<typeof open>>, wanted: RegExp): Promise<string> => {
    let text = ''
    while (!wanted.test(text)) text += (await reader.read()).value ?? ''
    return text
  }
  const early = await open()
  await shoalPull(node.node, `${UP}/app:v1`)
  const text = await until(early, /event: pull\ndata: .*\n\n/)
  assert.match(text, /^id: 1\n/)
  const told = pullSchema.parse(JSON.parse(/event: pull\ndata: (.*)/.exec(text)?.[1] ?? ''))
  assert.deepEqual([told.image, told.result, told.bytes], [`${UP}/app:v1`, 'done', image.sizeBytes])
  await node.get(UP, 'app/manifests/v2')
  assert.match(await until(early, /event: refusal\n.*\n\n/), /has no tag v2/)
  assert.match(await until(await open(), /event: refusal/), /event: pull/)
  assert.doesNotMatch(await until(await open({ 'last-event-id': '1' }), /event: refusal/), /event: pull/)
  stop.abort()
})

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { encodeJson } from '../../src/base/json.ts'
import type { Logger } from '../../src/base/log.ts'
import { blobRequests } from '../../src/blob/index.ts'
import { decodeResponse, encodeMessage } from '../../src/orders/codec.ts'
import { ordersProtocol } from '../../src/orders/index.ts'
import { laterThan, signOrder } from '../../src/orders/order-kind.ts'
import type { PrewarmPatch, PrewarmSpec } from '../../src/prewarm/interface.ts'
import { EDIT_ORDER, JOB_ORDER } from '../../src/prewarm/job-orders.ts'
import { PREWARM_WORDS } from '../../src/prewarm/requests.ts'
import type { PurgeMessages } from '../../src/purge/words.ts'
import { PURGE_ORDER, PURGE_WORDS } from '../../src/purge/words.ts'
import type { PeerLink } from '../../src/swarm/index.ts'
import type { FleetKey, Order } from '../../src/trust/index.ts'
import {
  agentKeyOf,
  FleetTrust,
  formatFleetKey,
  generateFleetKey,
  generateMemberKey,
  giveOrder,
  orderInvalidate,
  readCertificate,
} from '../../src/trust/index.ts'
import { askPrewarm, tryPrewarm } from '../support/ask-prewarm.ts'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'
import type { Signed } from '../support/test-authority.ts'
import { TestAuthority } from '../support/test-authority.ts'
import { specOf } from '../unit/prewarm/fixtures.ts'
import { RecordedLogger, soon, TestFleet } from './swarm-support.ts'

const UP = 'registry.test'
const IMAGE = `${UP}/team/app:v1`
const HOUR_MS = 3_600_000

interface KeyedFleet {
  readonly key: FleetKey
  readonly cache: TestNode
  readonly agent: TestNode
  /** Of a host that holds the agent key and nothing else, to the cache. */
  readonly member: PeerLink
  /** Files that a user may name. */
  readonly files: { readonly cacheKey: string; readonly agentKey: string }
}

/** A fleet with a key, as one across machines has it. */
async function keyedFleet(t: TestContext, logger?: Logger): Promise<KeyedFleet> {
  const key = generateFleetKey()
  const fleet = await NodeFleet.create(t)
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(fleet.directory, name), text, { mode: 0o600 })
    return join(fleet.directory, name)
  }
  const cacheKey = await write('cache.key', formatFleetKey(key))
  const agentKey = await write('agent.key', formatFleetKey(agentKeyOf(key)))
  const image = await fleet.image({ sizeBytes: 64 * 1024, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const tags = { ttlMs: HOUR_MS }
  const cache = await fleet.start({ role: 'cache', upstreams, tags, logger, key: formatFleetKey(key) })
  const agent = await fleet.start({ caches: [cache], upstreams, tags, key: formatFleetKey(agentKeyOf(key)) })
  const strangers = await TestFleet.create()
  t.after(() => strangers[Symbol.asyncDispose]())
  const { swarm } = await strangers.host({ fleetKey: agentKeyOf(key), region: 'default' })
  const member = await swarm.connectAddress(cache.peerAddress, soon())
  return { key, cache, agent, member, files: { cacheKey, agentKey } }
}

const REQUESTS = { ...PREWARM_WORDS.requests, ...PURGE_WORDS.requests }

function orderJob(signer: FleetTrust, id: string, content: PrewarmSpec): Order | undefined {
  return signOrder(signer, JOB_ORDER, { id, content, issuedEpochMs: Date.now() })
}

/** What the cache's prewarm says to a member: `done`, or the code of its refusal. */
async function asked(member: PeerLink, name: keyof typeof REQUESTS, ask: object): Promise<string> {
  const body = encodeJson({ name, hops: 0, ask })
  const result = await member.request(ordersProtocol.prewarm, { body }, soon())
  if (result.kind === 'refused') return result.reason
  try {
    decodeResponse(REQUESTS, name, result.body)
    return 'done'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

async function jobs(host: TestNode): Promise<string[]> {
  const { jobs: all } = await askPrewarm<{ jobs: { id: string; state: string }[] }>(host, '')
  return all.map(({ id, state }) => `${id} ${state}`)
}

test('a member starts no job without an operator, whatever it signs and sends', async (t) => {
  const { key, cache, member } = await keyedFleet(t)
  const id = 'members-job-1'
  const spec = specOf({ images: [IMAGE], load: 'docker', join: '1h' })
  const by = (signer: FleetKey, at: number, content: unknown = spec, subject = id): Order | undefined =>
    giveOrder(new FleetTrust(signer), { verb: 'prewarm', subject, content, issuedEpochMs: at })
  const now = Date.now()
  const cases: readonly [name: string, order: Order | undefined, answer: string][] = [
    ['no order', undefined, 'ORDER_REQUIRED'],
    ['an order of another fleet', by(generateFleetKey(), now), 'ORDER_REQUIRED'],
    ['an order of yesterday', by(key, now - 24 * HOUR_MS), 'ORDER_REQUIRED'],
    ['an order for another job', by(key, now, spec, 'another-job-1'), 'PREWARM_INVALID'],
    ['an order to pin for 1e300 ms', by(key, now, { ...spec, pinMs: 1e300 }), 'PREWARM_INVALID'],
    ['an order to join for 1e300 ms', by(key, now, { ...spec, joinMs: 1e300 }), 'PREWARM_INVALID'],
  ]
  for (const [name, order, answer] of cases) {
    assert.equal(await asked(member, 'submit', { id, spec, order }), answer, name)
  }
  assert.deepEqual(await jobs(cache), [])
  // a specification beside an order is not what is done
  const other = specOf({ images: [`${UP}/team/other:v1`] })
  assert.equal(await asked(member, 'submit', { id, spec: other, order: by(key, Date.now()) }), 'done')
  const { spec: run } = await askPrewarm<{ spec: { images: string[] } }>(cache, `/${id}`)
  assert.deepEqual(run.images, [IMAGE])
})

test("a member neither changes nor ends an operator's job, nor brings back an older change of it", async (t) => {
  const { key, cache, member } = await keyedFleet(t)
  const id = 'operators-job-1'
  const operator = new FleetTrust(key)
  const order = orderJob(operator, id, specOf({ images: [IMAGE], join: '1h' }))
  assert.equal(await asked(member, 'submit', { id, spec: specOf({ images: [IMAGE] }), order }), 'done')
  const { orderedEpochMs } = await askPrewarm<{ orderedEpochMs: number }>(cache, `/${id}`)
  const change = (patch: PrewarmPatch, at: number, signer = operator): Order | undefined =>
    signOrder(signer, EDIT_ORDER, { id, content: patch, issuedEpochMs: laterThan(orderedEpochMs, at) })
  const edit = async (patch: PrewarmPatch, by: Order | undefined): Promise<string> =>
    asked(member, 'edit', { id, patch, order: by })
  const cancel = { state: 'cancelled' } as const
  const older = change({ pinMs: 1_000 }, orderedEpochMs + 10)
  assert.equal(await edit(cancel, undefined), 'ORDER_REQUIRED')
  assert.equal(await edit(cancel, change(cancel, Date.now(), new FleetTrust(generateFleetKey()))), 'ORDER_REQUIRED')
  // what is signed counts, not what is asked beside it
  assert.equal(await edit(cancel, older), 'done')
  assert.equal(await edit({}, change({ pinMs: 2_000 }, orderedEpochMs + 20)), 'done')
  assert.equal(await edit({}, older), 'PREWARM_IMPOSSIBLE', 'an older order would undo a newer one')
  const { state, spec } = await askPrewarm<{ state: string; spec: { pinMs: number } }>(cache, `/${id}`)
  assert.deepEqual([state === 'cancelled', spec.pinMs], [false, 2_000])
  assert.equal(await asked(member, 'list', {}), 'done', 'looking is for members')
  assert.equal(await asked(member, 'show', { id }), 'done', 'looking is for members')
})

test('a member has no tag forgotten at the caches; an operator has, once for each order', async (t) => {
  const { key, cache, agent, member } = await keyedFleet(t)
  const ref = { upstream: UP, repository: 'team/app', tag: 'v1' }
  const asks = async (): Promise<number> => {
    await agent.admin('invalidate', { reference: IMAGE }) // its own memory of it
    assert.equal((await agent.manifest(UP, 'team/app', 'v1')).status, 200)
    return cache.originRequests('tag')
  }
  assert.equal(await asks(), 1)
  const now = Date.now()
  const replayed = orderInvalidate(new FleetTrust(key), IMAGE, now)
  const cases: readonly [name: string, order: Order | undefined, answer: string, originAsked: number][] = [
    ['no order', undefined, 'refused', 1],
    ['an order of another fleet', orderInvalidate(new FleetTrust(generateFleetKey()), IMAGE, now), 'refused', 1],
    ['an order for another tag', orderInvalidate(new FleetTrust(key), `${UP}/team/app:v2`, now), 'refused', 1],
    ['an old order', orderInvalidate(new FleetTrust(key), IMAGE, now - HOUR_MS), 'refused', 1],
    ["an operator's order", replayed, 'done', 2],
    ['the same again', replayed, 'done', 2],
  ]
  for (const [name, order, answer, originAsked] of cases) {
    const { kind } = await member.request(blobRequests.invalidate, { ...ref, order }, soon())
    assert.deepEqual([kind, await asks()], [answer, originAsked], name)
  }
})

test('a member has nothing purged, whatever it signs and sends; an operator has', async (t) => {
  const { key, cache, agent, member } = await keyedFleet(t)
  assert.equal((await agent.manifest(UP, 'team/app', 'v1')).status, 200)
  const id = 'p-members-purge'
  const image = { upstream: UP, repository: 'team/app', target: { kind: 'tag', tag: 'v1' } } as const
  const by = (signer: FleetKey, at: number, subject = id): Order | undefined =>
    signOrder(new FleetTrust(signer), PURGE_ORDER, {
      id: subject,
      content: { images: [image], dryRun: false },
      issuedEpochMs: at,
    })
  const now = Date.now()
  const cases: readonly [name: string, order: Order | undefined, answer: string][] = [
    ['no order', undefined, 'ORDER_REQUIRED'],
    ['an order of another fleet', by(generateFleetKey(), now), 'ORDER_REQUIRED'],
    ['an old order', by(key, now - HOUR_MS), 'ORDER_REQUIRED'],
    ['an order about another purge', by(key, now, 'p-another-purge'), 'PREWARM_INVALID'],
  ]
  for (const [name, order, answer] of cases) {
    assert.equal(await asked(member, 'purge', { id, order }), answer, name)
  }
  // nor past the caches: what hands orders on is a cache
  const handed = by(key, now - HOUR_MS)
  assert.ok(handed)
  member.send(ordersProtocol.letter, { body: encodeMessage<PurgeMessages>({ kind: 'purge', order: handed }) })
  assert.equal(await asked(member, 'purges', { id: null }), 'done', 'looking is for members')
  assert.ok((await cache.storedDigests()).length > 0)

  const order = by(key, Date.now())
  assert.equal(await asked(member, 'purge', { id, order }), 'done', 'it only passes it on')
  await eventually(
    'both have done it',
    async () => [...(await cache.storedDigests()), ...(await agent.storedDigests())].length === 0,
  )
})

test('on an agent prewarm wants a credential and says which; looking does not', async (t) => {
  const { cache, agent, files } = await keyedFleet(t)
  const run = (host: TestNode, ...args: string[]) => runCommand([...args, '--admin', host.adminUrl])
  const without = await run(agent, 'prewarm', IMAGE, '--json')
  assert.equal(without.code, 2)
  assert.match(without.stderr, /^shoal: .*--credential FILE.*cache key.*shoal fleet certify operator.*\n$/)
  const wrong = await run(agent, 'prewarm', IMAGE, '--credential', files.agentKey)
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /agent\.key/)
  assert.deepEqual(await jobs(cache), [], 'nothing has begun')
  assert.equal((await run(agent, 'prewarm', IMAGE, '--dry-run')).code, 0)
  assert.equal((await run(agent, 'prewarm', 'list')).code, 0)
  // a name without a registry is completed before it is signed
  const done = await run(agent, 'prewarm', 'team/app:v1', '--join', '1h', '--credential', files.cacheKey, '--json')
  assert.equal(done.code, 0, done.stderr)
  const { id } = JSON.parse(done.stdout) as { id: string } // the command's own JSON
  assert.equal((await run(agent, 'prewarm', 'pause', id)).code, 2)
  assert.equal((await run(agent, 'prewarm', 'cancel', id, '--credential', files.cacheKey)).code, 0)
  const begun = await run(cache, 'prewarm', IMAGE, '--json')
  assert.equal(begun.code, 0, 'a cache orders by itself')
  const direct = await tryPrewarm(agent, '', { method: 'POST', body: { images: [IMAGE] } })
  assert.equal(direct.status, 403)
  const forgotten = await run(agent, 'invalidate', IMAGE)
  assert.deepEqual([forgotten.code, /on this host alone/.test(forgotten.stderr)], [0, true])
  assert.equal((await run(agent, 'invalidate', 'team/app:v1', '--credential', files.cacheKey)).stderr, '')
})

/** A fleet with an authority: a cache in each of two regions, one above the other, and a host below. */
async function certifiedFleet(t: TestContext) {
  const authority = await TestAuthority.create()
  const fleet = await NodeFleet.create(t)
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(fleet.directory, name), text, { mode: 0o600 })
    return join(fleet.directory, name)
  }
  const file = async (name: string, made: Promise<Signed>): Promise<string> => write(name, (await made).pem)
  const yesterday = { fromMs: Date.now() - 48 * HOUR_MS, days: 1 }
  const files = {
    operator: await file('operator.pem', authority.operator()),
    expired: await file('expired.pem', authority.operator(yesterday)),
    stranger: await file('stranger.pem', (await TestAuthority.create()).operator()),
    core: await file('core.pem', authority.cache('core')),
    edge: await file('edge.pem', authority.cache('edge')),
  }
  const image = await fleet.image({ sizeBytes: 64 * 1024, layerCount: 1 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const shared = { upstreams, key: formatFleetKey(generateMemberKey()) }
  const authorities = [await write('authority.pem', authority.pem)]
  const certified = (credential: string | null) => ({ authorities, credential })
  const logs = { core: new RecordedLogger(), edge: new RecordedLogger() }
  const core = await fleet.start({
    ...shared,
    role: 'cache',
    region: 'core',
    logger: logs.core,
    fleet: certified(files.core),
  })
  const parent = { region: 'core', caches: [core] }
  const below = { ...shared, region: 'edge', parent }
  const edge = await fleet.start({ ...below, role: 'cache', logger: logs.edge, fleet: certified(files.edge) })
  const agent = await fleet.start({ ...below, caches: [edge], fleet: certified(null) })
  return { files, core, edge, agent, logs }
}

test('in a fleet with an authority an operator orders everywhere, a cache for its region and below', async (t) => {
  const { files, core, edge, agent } = await certifiedFleet(t)
  const start = (host: TestNode, ...args: string[]) =>
    runCommand(['prewarm', IMAGE, '--wait', '--json', '--admin', host.adminUrl, ...args])
  await eventually('the host is known', async () => (await start(core, '--dry-run')).stdout.includes('"total":1'))
  const cases: readonly [name: string, host: TestNode, args: readonly string[], code: number][] = [
    ['a host by itself', agent, [], 2],
    ["a cache's certificate in a user's hands", agent, ['--credential', files.edge], 2],
    ['an operator whose time is over', agent, ['--credential', files.expired], 2],
    ['an operator of another fleet', agent, ['--credential', files.stranger], 2],
    ['a cache of the region below', edge, [], 2],
    ['an operator', agent, ['--credential', files.operator], 0],
    ['an operator at a cache below', edge, ['--credential', files.operator], 0],
    ['a cache of the region that coordinates', core, [], 0],
  ]
  for (const [name, host, args, code] of cases) {
    const done = await start(host, ...args)
    assert.equal(done.code, code, `${name}: ${done.stderr}`)
    if (code !== 0) assert.match(done.stderr, /^shoal: [^\n]*(certificate|credential|order)[^\n]*\n$/, name)
  }
  assert.deepEqual(
    (await jobs(agent)).map((job) => job.split(' ')[1]),
    ['done', 'done', 'done'],
  )
  const pins = await agent.admin('pins')
  assert.deepEqual(pins, { pins: [] })
})

test('an order is a line at each cache it reaches: who gave it, what it was, from which host it came', async (t) => {
  const { files, core, edge, agent, logs } = await certifiedFleet(t)
  const peerId = async (host: TestNode): Promise<string> => ((await host.admin('status')) as { peerId: string }).peerId
  const { serial } = readCertificate(await readFile(files.operator, 'utf8'))
  const orders = (log: RecordedLogger): Record<string, unknown>[] =>
    log.infos.filter((line) => line.startsWith('an order was obeyed ')).map((line) => JSON.parse(line.slice(20)))
  const run = (host: TestNode, ...args: string[]) => runCommand([...args, '--admin', host.adminUrl])
  const by = `operator (certificate ${serial})`
  const credential = ['--credential', files.operator]
  const begun = await run(agent, 'prewarm', IMAGE, '--join', '1h', '--json', ...credential)
  assert.equal(begun.code, 0, begun.stderr)
  const { id } = JSON.parse(begun.stdout) as { id: string } // the command's own JSON
  assert.equal((await run(agent, 'prewarm', 'cancel', id, ...credential)).code, 0)
  assert.equal((await run(agent, 'invalidate', IMAGE, ...credential)).code, 0)
  assert.equal((await run(core, 'invalidate', IMAGE)).code, 0)
  const line = async (order: string, subject: string, from: TestNode) => {
    return { order, subject, by, from: await peerId(from), address: '127.0.0.1' }
  }
  const job = { images: [IMAGE], imageCount: 1, pinMs: 0, joinMs: HOUR_MS, regions: [] }
  for (const [log, from] of [[logs.edge, agent] as const, [logs.core, edge] as const]) {
    const [started, changed, forgotten, ...more] = orders(log)
    assert.deepEqual(started, { ...(await line('prewarm', id, from)), ...job, load: null })
    assert.deepEqual(changed, { ...(await line('edit', id, from)), patch: { state: 'cancelled' } })
    assert.deepEqual(forgotten, await line('invalidate', IMAGE, from))
    const own = { order: 'invalidate', subject: IMAGE, by: 'a cache of region core', from: 'this host' }
    assert.deepEqual(more, log === logs.core ? [own] : [])
  }
  await core.setLimits({ upload: 1024 * 1024 })
  assert.ok(logs.core.infos.some((text) => text.startsWith('limits were changed') && text.includes('1048576')))
})

test('an order that a member brings again and again is one line', async (t) => {
  const log = new RecordedLogger()
  const { key, cache, member } = await keyedFleet(t, log)
  const id = 'operators-job-1'
  const order = orderJob(new FleetTrust(key), id, specOf({ images: [IMAGE], join: '1h' }))
  const forget = orderInvalidate(new FleetTrust(key), IMAGE, Date.now())
  for (let n = 0; n < 10; n++) {
    assert.equal(await asked(member, 'submit', { id, spec: specOf({ images: [IMAGE] }), order }), 'done')
    await member.request(
      blobRequests.invalidate,
      { upstream: UP, repository: 'team/app', tag: 'v1', order: forget },
      soon(),
    )
  }
  assert.equal((await jobs(cache)).length, 1)
  const lines = log.infos.filter((line) => line.startsWith('an order was obeyed'))
  assert.equal(lines.length, 2)
  for (const line of lines) assert.match(line, /"by":"a holder of cache key [0-9a-f]{16}"/)
})

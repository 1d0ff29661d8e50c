import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { HostView, PrewarmView } from '../../src/prewarm/index.ts'
import { contentBytes } from '../support/content-bytes.ts'
import { eventually } from '../support/eventually.ts'
import type { HostSpec, TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'
import type { CommandResult } from '../support/run-command.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024
const REFERENCE = 'registry.test/team/app:1'

interface TwoRegions {
  readonly fleet: NodeFleet
  readonly upstreams: HostSpec['upstreams']
  readonly core: { readonly cache: TestNode; readonly agents: readonly TestNode[] }
  readonly edge: { readonly cache: TestNode; readonly agents: readonly TestNode[] }
  /** What one host needs. */
  readonly size: number
}

/** `edge` below `core`, an agent in each, and an image at the origin. */
async function twoRegions(t: TestContext, sizeBytes: number): Promise<TwoRegions> {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes })
  const path = await fleet.push('origin', 'team/app', '1', image)
  const upstreams = [directoryUpstream('registry.test', path)]
  const core = await fleet.region({ region: 'core', upstreams }, 1)
  const parent = { region: 'core', caches: [core.cache] }
  const edge = await fleet.region({ region: 'edge', parent, upstreams }, 1)
  const size = contentBytes(image)
  await eventually('every host is known at the root', async () => {
    const { stdout } = await prewarm(core.cache, REFERENCE, '--dry-run', '--json')
    return stdout !== '' && JSON.parse(stdout).hosts.total === 2
  })
  return { fleet, upstreams, core, edge, size }
}

function prewarm(host: TestNode, ...args: string[]): Promise<CommandResult> {
  return runCommand(['prewarm', ...args, '--admin', `http://${host.node.addresses.admin}`])
}

async function stop({ node }: TestNode): Promise<void> {
  await node[Symbol.asyncDispose]()
}

function lastJob({ stdout }: CommandResult): PrewarmView {
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as PrewarmView // what --json promises
}

test('jobs are not said to be none when the caches that keep them are gone', async (t) => {
  const { core, edge } = await twoRegions(t, MIB)
  const begun = await prewarm(edge.agents[0]!, REFERENCE, '--wait', '--json')
  assert.equal(begun.code, 0, begun.stderr)
  const { id } = lastJob(begun)
  await stop(core.cache)
  for (const host of [edge.cache, edge.agents[0]!]) {
    await eventually('the link to core has ended', async () => (await prewarm(host, 'show', id)).code === 1)
    const list = await prewarm(host, 'list')
    assert.deepEqual([list.code, list.stdout], [1, ''])
    assert.match(list.stderr, /no cache of region core answers/)
    assert.ok(list.stderr.includes(id), list.stderr)
    for (const command of [
      ['show', id],
      ['edit', id, '--rate', '1MiB'],
      ['show', 'abcdefgh-1234'],
    ]) {
      const { code, stderr } = await prewarm(host, ...command)
      assert.equal(code, 1)
      assert.match(stderr, /no cache of region core answers/)
      assert.equal(stderr.match(/answers/g)?.length, 1, `one sentence: ${stderr}`)
      assert.equal(stderr.match(/try again/g)?.length, 1, `one sentence: ${stderr}`)
    }
  }
})

test('a region whose caches are away is named in the plan and the report, and its job does not end as if it were there', async (t) => {
  const { core, edge } = await twoRegions(t, MIB)
  await stop(edge.cache)
  const [host] = core.agents
  const plan = await eventually('the link to edge has ended', async () => {
    const answer = await prewarm(host!, REFERENCE, '--dry-run')
    return /^Absent +edge/m.test(answer.stdout) ? answer : undefined
  })
  assert.equal(plan?.code, 0)
  const result = await prewarm(host!, REFERENCE, '--wait', '--json')
  const job = lastJob(result)
  assert.deepEqual([result.code, job.state, job.absent, job.hosts.ready], [1, 'done', ['edge'], 1])
  assert.match(job.reason ?? '', /edge/)
  const plain = await prewarm(host!, REFERENCE)
  assert.match(plain.stderr, /region edge/)
  const chosen = await prewarm(host!, REFERENCE, '--region', 'core', '--wait', '--json')
  assert.deepEqual([chosen.code, lastJob(chosen).absent], [0, []], 'who was not asked for is not missed')
  const named = await prewarm(host!, REFERENCE, '--region', 'edge')
  assert.deepEqual([named.code, /no cache of region edge answers/.test(named.stderr)], [1, true], named.stderr)
  const moon = await prewarm(host!, REFERENCE, '--region', 'moon')
  assert.match(moon.stderr, /region moon.*known: core, edge/)
})

test('a region above whose caches are away is named, too', async (t) => {
  const { core, edge } = await twoRegions(t, MIB)
  await stop(core.cache)
  const result = await eventually('the link to core has ended', async () => {
    const answer = await prewarm(edge.agents[0]!, REFERENCE, '--wait', '--json')
    return answer.stdout.includes('{') ? answer : undefined
  })
  const job = lastJob(result!)
  assert.deepEqual([result?.code, job.state, job.absent], [1, 'done', ['core']])
})

test('a region that comes back while a job takes in who joins takes part in it', async (t) => {
  const { fleet, upstreams, core, edge } = await twoRegions(t, MIB)
  await stop(edge.cache)
  const [host] = core.agents
  await eventually('the link to edge has ended', async () => {
    return /^Absent +edge/m.test((await prewarm(host!, REFERENCE, '--dry-run')).stdout)
  })
  const slow = await prewarm(host!, REFERENCE, '--join', '1h', '--rate', '4KiB', '--json')
  const { id } = lastJob(slow)
  await fleet.region({ region: 'edge', parent: { region: 'core', caches: [core.cache] }, upstreams }, 1)
  await eventually('edge takes part', async () => {
    const job = lastJob(await prewarm(host!, 'show', id, '--json'))
    return job.absent.length === 0 && job.regions.some(({ region, hosts }) => region === 'edge' && hosts.total === 1)
  })
  await prewarm(host!, 'cancel', id)
})

test('regions work on no more hosts together than --max-hosts says', async (t) => {
  const { core } = await twoRegions(t, MIB)
  const [host] = core.agents
  const few = await prewarm(host!, REFERENCE, '--max-hosts', '1')
  assert.equal(few.code, 1)
  assert.match(few.stderr, /max-hosts 1 is fewer than the 2 regions .*--region/)
  const job = lastJob(await prewarm(host!, REFERENCE, '--max-hosts', '2', '--rate', '1KiB', '--json'))
  const edit = await prewarm(host!, 'edit', job.id, '--max-hosts', '1')
  assert.deepEqual([edit.code, /max-hosts 1 is fewer than the 2 regions/.test(edit.stderr)], [1, true], edit.stderr)
  await prewarm(host!, 'cancel', job.id)
})

test('a plan counts what hosts have, and what regions lack in common only once', async (t) => {
  const { core, edge, size } = await twoRegions(t, MIB)
  const planned = async (): Promise<{ lacking: number; missing: number }> => {
    return JSON.parse((await prewarm(edge.agents[0]!, REFERENCE, '--dry-run', '--json')).stdout).bytes
  }
  const before = await planned()
  assert.deepEqual([before.lacking, before.missing], [2 * size, size])
  await prewarm(core.agents[0]!, REFERENCE, '--region', 'core', '--wait')
  const between = await planned()
  assert.deepEqual([between.lacking, between.missing], [size, 0], 'edge lacks it, and takes it from core')
  await prewarm(core.agents[0]!, REFERENCE, '--wait')
  const after = await planned()
  assert.deepEqual([after.lacking, after.missing], [0, 0])
  const { stdout } = await prewarm(edge.agents[0]!, REFERENCE, '--dry-run')
  assert.match(stdout, /^All hosts +2, together .*, of which they lack at most 0 B$/m)
})

test('hosts of a region that does not answer are not left out of their list in silence', async (t) => {
  const { core, edge } = await twoRegions(t, MIB)
  const [host] = core.agents
  const { id } = lastJob(await prewarm(host!, REFERENCE, '--wait', '--json'))
  const whole = await prewarm(host!, 'show', id, '--hosts')
  assert.doesNotMatch(whole.stdout, /not listed/)
  await stop(edge.cache)
  const partial = await eventually('the link to edge has ended', async () => {
    const { stdout } = await prewarm(host!, 'show', id, '--hosts')
    return /not listed/.test(stdout) ? stdout : undefined
  })
  assert.match(partial ?? '', /^edge: 1 not listed, for no cache of it answers now$/m)
})

test('a region that two others stand above is counted and listed once', async (t) => {
  const { fleet, upstreams, core, edge } = await twoRegions(t, MIB)
  const parent = { region: 'core', caches: [core.cache] }
  const mid = await fleet.start({ role: 'cache', region: 'mid', parent, upstreams })
  const above = [
    { region: 'mid', caches: [mid] },
    { region: 'edge', caches: [edge.cache] },
  ] as const
  const low = await fleet.region({ region: 'low', parent: above, upstreams }, 2)
  const [host] = core.agents
  await eventually('all four hosts are known at the root', async () => {
    const { stdout } = await prewarm(host!, REFERENCE, '--dry-run', '--json')
    return JSON.parse(stdout).hosts.total === 4
  })
  const job = lastJob(await prewarm(low.agents[0]!, REFERENCE, '--wait', '--json'))
  assert.deepEqual([job.state, job.hosts.ready, job.absent], ['done', 4, []], JSON.stringify(job))
  const listed = JSON.parse((await prewarm(host!, 'show', job.id, '--hosts', '--json')).stdout).hostList as HostView[]
  assert.deepEqual(listed.map(({ region }) => region).sort(), ['core', 'edge', 'low', 'low'])
  assert.equal(new Set(listed.map(({ key }) => key)).size, 4)
})

test('a cache above that is in no region of the job keeps to its origin rate, and what it read is counted', async (t) => {
  const { core, edge, size } = await twoRegions(t, 8 * MIB)
  const result = await prewarm(
    edge.agents[0]!,
    ...[REFERENCE, '--region', 'edge', '--origin-rate', '4MiB', '--wait', '--json'],
  )
  const job = lastJob(result)
  assert.deepEqual([result.code, job.hosts.ready], [0, 1], result.stderr)
  const read = await core.cache.received('origin')
  assertOneCopy(read, size)
  assert.equal(job.bytes.origin, read)
  const atLeast = (size - 4 * MIB) / (4 * MIB)
  assert.ok(job.seconds >= atLeast, `${job.seconds} s for ${size} bytes`)
})

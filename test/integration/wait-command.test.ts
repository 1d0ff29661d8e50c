import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import type { CommandResult } from '../support/run-command.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024
const UP = 'registry.corp'
const IMAGE = `${UP}/app:v1`

function shoal({ adminUrl, storeDir }: TestNode, ...args: string[]): Promise<CommandResult> {
  return runCommand([...args, '--admin', adminUrl, '--token-file', join(storeDir, 'admin.token')])
}

async function probe(node: TestNode, query: string): Promise<number> {
  const headers = await node.adminHeaders()
  return (await fetch(`${node.adminUrl}/api/v1/prewarm/gate?${query}`, { headers })).status
}

test('shoal wait and its probe open once enough hosts have the image, asked on any host', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 6 * MIB, layerCount: 2 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams }, 1)
  const slow = await fleet.start({ upstreams, caches: [cache], limits: { download: 64 * 1024 } })
  const [agent] = agents
  assert.ok(agent !== undefined)
  assert.equal(await probe(agent, `image=${IMAGE}`), 503, 'no job has it')
  const early = await shoal(agent, 'wait', IMAGE, '--timeout', '0s')
  assert.deepEqual([early.code, early.stderr], [1, `${IMAGE}: no prewarm job has this image\n`])
  await eventually('the cache knows both hosts', async () => {
    const { stdout } = await shoal(cache, 'prewarm', IMAGE, '--dry-run', '--json')
    return JSON.parse(stdout).hosts.total === 2
  })
  assert.equal((await shoal(cache, 'prewarm', IMAGE)).code, 0)
  const half = await shoal(agent, 'wait', IMAGE, '--quorum', '50%', '--json')
  assert.equal(half.code, 0, half.stderr)
  assert.equal(JSON.parse(half.stdout)[0].needed, 1)
  assert.equal(await probe(agent, `image=${IMAGE}&quorum=50%25`), 200)
  assert.equal(await probe(agent, `image=${IMAGE}&hosts=2`), 503, 'the slow one is still at it')
  await slow.setLimits({ download: 0 })
  assert.equal((await shoal(agent, 'wait', IMAGE)).code, 0)
  assert.equal(await probe(slow, `image=${IMAGE}&hosts=2`), 200)
  const tooFew = await shoal(agent, 'wait', IMAGE, '--hosts', '3')
  assert.match(tooFew.stderr, /2 of 2 hosts are ready, 3 are needed; the job is done/)
  assert.equal(tooFew.code, 1)
})

test('what cannot be meant is refused', async (t) => {
  const fleet = await NodeFleet.create(t)
  const node = await fleet.start({ upstreams: [directoryUpstream(UP, '/nowhere')] })
  for (const query of ['', 'image=NOT+A+NAME', `image=${IMAGE}&quorum=101%25`, `image=${IMAGE}&hosts=some`]) {
    assert.equal(await probe(node, query), 400, query)
  }
  assert.equal((await shoal(node, 'wait', IMAGE, '--timeout', 'soon')).code, 2)
})

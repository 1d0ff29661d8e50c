import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AgentProcess } from '../../src/demo/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { docsBlock } from '../support/docs-block.ts'
import { execute } from '../support/execute.ts'
import { TempDir } from '../support/temp-dir.ts'

const MIB = 1024 * 1024
const MAIN = join(import.meta.dirname, '../../src/main.ts')
const BLOCKS = ['rolling', 'blue-green', 'canary', 'canary, all of them', 'probe'] as const

/** Runs lines of a guide as somebody does who sits at `host`, with `shoal` in the path. */
async function shellOf(directory: string, { adminUrl, storeDir }: AgentProcess) {
  const program = join(directory, 'shoal')
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`)
  await chmod(program, 0o755)
  const env = {
    PATH: `${directory}:${process.env.PATH}`,
    SHOAL_ADMIN: adminUrl,
    SHOAL_TOKEN_FILE: join(storeDir, 'admin.token'),
  }
  return (script: string) => execute('sh', ['-ec', script], { env })
}

test('the lines of the guide to pulls show what became of one', async () => {
  await using temp = await TempDir.make()
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }] })
  const [agent] = fleet.agents
  assert.ok(agent !== undefined)
  await fleet.push({ sizeBytes: 2 * MIB, layerCount: 1 }, 'shop/web:v42')
  await fleet.pull(agent, 'registry.test/shop/web:v42')
  const run = await shellOf(temp.path, agent)
  const why = await run(docsBlock('docs/why.md', 'why', { 'registry.corp': 'registry.test' }))
  assert.match(why.stdout, /^So +a pull is served/m)
  // the stream has no end of its own
  const events = docsBlock('docs/why.md', 'events', { '/var/lib/shoal': agent.storeDir, curl: 'curl --max-time 3' })
  assert.match(
    (await run(`${events.trim()} || true`)).stdout,
    /event: pull\ndata: .*"image":"registry\.test\/shop\/web:v42"/,
  )
})

test('the lines of the guides to rollouts and to peak days do what they say, on a cache of a fleet with two colours', async () => {
  await using temp = await TempDir.make()
  await using fleet = await Fleet.start({
    regions: [{ name: 'default', caches: 1, agents: 3 }],
    labels: ({ name }) => ({ colour: name.endsWith('-0') ? 'blue' : 'green' }),
  })
  const [cache] = fleet.caches
  assert.ok(cache !== undefined)
  const run = await shellOf(temp.path, cache)
  for (const [i, block] of BLOCKS.entries()) {
    // a job of its own for each that starts one
    const tag = block === 'probe' || block === 'canary, all of them' ? 'v3' : `v${i + 1}`
    if (tag === `v${i + 1}`) await fleet.push({ sizeBytes: 2 * MIB, layerCount: 1, seed: i }, `shop/web:${tag}`)
    await run(docsBlock('docs/rollouts.md', block, { 'registry.corp/shop/web:v42': `registry.test/shop/web:${tag}` }))
  }
  const peak = { 'registry.corp/shop/web:v42': 'registry.test/shop/web:v1' }
  for (const block of ['the day before', 'an hour before']) await run(docsBlock('docs/peak-day.md', block, peak))
  const slower = await run(`${docsBlock('docs/peak-day.md', 'slower')}shoal limits --json`)
  assert.match(slower.stdout, /"upload":52428800/)
  const before = await run(`${docsBlock('docs/peak-day.md', 'as before')}shoal limits --json`)
  assert.match(before.stdout, /"upload":0/)
  const probe = docsBlock('docs/rollouts.md', 'probe', { 'registry.corp/shop/web:v42': 'registry.test/shop/web:v9' })
  await assert.rejects(run(probe), /503/, 'nobody has prewarmed that')
  await writeFile(join(temp.path, 'compose.yaml'), 'services: { web: { image: "registry.test/shop/web:v1" } }\n')
  await run(docsBlock('docs/rollouts.md', 'from a file', { 'compose.yaml': join(temp.path, 'compose.yaml') }))
})

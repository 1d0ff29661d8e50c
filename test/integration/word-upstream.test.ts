import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runReferenceCommands } from '../support/reference-commands.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024

test('an upstream that is called by a plain word can be named, or searched, by every command', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const upstreams = [directoryUpstream('local', await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams }, 1)
  const agent = agents[0]!
  for (const reference of ['team/app:v1', 'local/team/app:v1']) await runReferenceCommands(agent, cache, reference)
  const { stdout } = await runCommand(['prewarm', 'list', '--json', '--admin', cache.adminUrl])
  const jobs = JSON.parse(stdout) as { images: { reference: string }[] }[] // the command's own JSON
  assert.deepEqual(
    jobs.flatMap(({ images }) => images.map(({ reference }) => reference)),
    ['local/team/app:v1', 'local/team/app:v1'],
  )
})

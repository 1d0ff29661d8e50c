import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'

const MIB = 1024 * 1024

test('an upstream that is called by a plain word can be named, or searched, by every command', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: MIB, layerCount: 1 })
  const upstreams = [directoryUpstream('local', await fleet.push('origin', 'team/app', 'v1', image))]
  const { cache, agents } = await fleet.region({ upstreams }, 1)
  const agent = agents[0]!
  for (const reference of ['team/app:v1', 'local/team/app:v1']) {
    for (const [command, ...more] of [
      ['pull', '--mirror', `http://${agent.node.addresses.mirror}`],
      ['prewarm', '--wait', '--admin', cache.adminUrl],
      ['pin', '--for', '1h', '--admin', agent.adminUrl],
      ['invalidate', '--admin', cache.adminUrl],
      ['unpin', '--admin', agent.adminUrl],
    ] as const) {
      const { code, stdout, stderr } = await runCommand([command, reference, ...more])
      assert.equal(code, 0, `${command} ${reference}: ${stdout}${stderr}`)
    }
  }
})

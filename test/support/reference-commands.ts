import assert from 'node:assert/strict'
import type { TestNode } from './node-fleet.ts'
import { runCommand } from './run-command.ts'

/** Runs every command that takes an image by its name, on a host and on a cache; each must know what the name means. */
export async function runReferenceCommands(agent: TestNode, cache: TestNode, reference: string): Promise<void> {
  for (const [command, ...more] of [
    ['pull', '--mirror', `http://${agent.node.addresses.mirror}`],
    ['prewarm', '--wait', '--admin', cache.adminUrl],
    ['wait', '--admin', agent.adminUrl],
    ['why', '--admin', agent.adminUrl],
    ['pin', '--for', '1h', '--admin', agent.adminUrl],
    ['invalidate', '--admin', cache.adminUrl],
    ['unpin', '--admin', agent.adminUrl],
  ] as const) {
    const { code, stdout, stderr } = await runCommand([command, reference, ...more])
    assert.equal(code, 0, `${command} ${reference}: ${stdout}${stderr}`)
  }
}

import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { BuiltImage } from '../../src/demo/index.ts'
import type { FleetKey } from '../../src/trust/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey, generateMemberKey } from '../../src/trust/index.ts'
import type { HostSpec, TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { TestAuthority } from '../support/test-authority.ts'

const MIB = 1024 * 1024
const UP = 'registry.test'
/** Slow enough that a burst lasts while all hosts change, one after another. */
const limits = { download: 3 * MIB }
const AGENTS = 4

type Role = 'cache' | 'agent'
/** What the files of a host hold at one step: its keys, and where there are authorities, these and its credential. */
interface Contents {
  readonly key: string
  readonly authorities?: string
  readonly credential?: string
}
/** A whole change: what hosts of a role have before it, and after each step. */
type Change = readonly [(role: Role) => Contents, ...((role: Role) => Contents)[]]

async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** Takes a step: the files are replaced, and read again as on SIGHUP. */
async function take({ node, config }: TestNode, { key, authorities, credential }: Contents): Promise<void> {
  const { fleet } = config
  await replace(fleet.keyFile!, key)
  if (authorities !== undefined) await replace(fleet.authorities[0]!, authorities)
  if (credential !== undefined && fleet.credential !== null) await replace(fleet.credential, credential)
  await node.reload(config)
}

/** All hosts take all steps while images are pulled; one of them even restarts at each. */
async function changes(t: TestContext, [before, ...steps]: Change): Promise<void> {
  const fleet = await NodeFleet.create(t)
  let made = 0
  const upstreams = [directoryUpstream(UP, join(fleet.directory, 'origin'))]
  const start = async (role: Role, contents: Contents, more: Partial<HostSpec>): Promise<TestNode> => {
    const files = join(fleet.directory, `files-${made++}`)
    const { authorities, credential } = contents
    if (authorities !== undefined) await replace(`${files}.crt`, authorities)
    if (credential !== undefined) await replace(`${files}.pem`, credential)
    return fleet.start({
      role,
      upstreams,
      limits,
      key: contents.key,
      ...more,
      fleet: {
        authorities: authorities === undefined ? [] : [`${files}.crt`],
        credential: role === 'cache' && credential !== undefined ? `${files}.pem` : null,
      },
    })
  }
  const caches: TestNode[] = []
  while (caches.length < 2) caches.push(await start('cache', before('cache'), { caches: [...caches] }))
  const agents = await Promise.all(Array.from({ length: AGENTS }, () => start('agent', before('agent'), { caches })))
  const pulled = async (nodes: readonly TestNode[], image: BuiltImage, name: string): Promise<void> => {
    await Promise.all(nodes.map((node) => node.pull(UP, name, 'v1', image)))
  }
  for (const [number, contents] of [...steps, undefined].entries()) {
    const name = `team/app-${number}`
    const image = await fleet.image({ sizeBytes: 6 * MIB, layerCount: 2, seed: number + 1 })
    await fleet.push('origin', name, 'v1', image)
    const readBefore = await read([...caches, ...agents])
    const leaving = contents === undefined ? undefined : agents.pop()
    const pulls = pulled(agents, image, name)
    if (contents !== undefined && leaving !== undefined) {
      // it comes back a step ahead of all others, and must find its place among them
      await leaving.node[Symbol.asyncDispose]()
      const store = { path: leaving.config.store.path }
      const ahead = await start('agent', contents('agent'), { caches, store })
      await pulled([ahead], image, name)
      for (const agent of agents) await take(agent, contents('agent'))
      for (const cache of caches) await take(cache, contents('cache'))
      agents.push(ahead)
    }
    await pulls
    const bytes = image.config.size + image.layers.reduce((sum, { size }) => sum + size, 0)
    const copies = ((await read([...caches, ...agents])) - readBefore) / bytes
    const each = await Promise.all([...caches, ...agents].map((node) => node.received('origin')))
    assert.ok(
      copies > 0.99 && copies < 1.05,
      `step ${number}: ${copies.toFixed(2)} copies; read by each so far: ${each}`,
    )
  }
}

/** What the hosts have read from the origin; those that were restarted began at nothing, and read nothing before. */
async function read(nodes: readonly TestNode[]): Promise<number> {
  const bytes = await Promise.all(nodes.map((node) => node.received('origin')))
  return bytes.reduce((sum, one) => sum + one, 0)
}

test("the fleet's key is replaced while pulls go on, at one copy", async (t) => {
  const [older, newer] = [generateFleetKey(), generateFleetKey()]
  const lines =
    (...keys: FleetKey[]): Change[0] =>
    (role) => ({ key: keys.map((key) => `${formatFleetKey(role === 'cache' ? key : agentKeyOf(key))}\n`).join('') })
  await changes(t, [lines(older), lines(older, newer), lines(newer, older), lines(newer)])
})

test('secret and authority are replaced while pulls go on, at one copy', async (t) => {
  const [older, newer] = [generateMemberKey(), generateMemberKey()]
  const [first, second] = [await TestAuthority.create(), await TestAuthority.create()]
  const [byFirst, bySecond] = [await first.cache('default'), await second.cache('default')]
  const having =
    (keys: readonly FleetKey[], authorities: readonly TestAuthority[], credential: string): Change[0] =>
    () => ({
      key: keys.map((key) => `${formatFleetKey(key)}\n`).join(''),
      authorities: authorities.map(({ pem }) => pem).join(''),
      credential,
    })
  await changes(t, [
    having([older], [first], byFirst.pem),
    having([older, newer], [first, second], byFirst.pem),
    having([newer, older], [first, second], bySecond.pem),
    having([newer], [second], bySecond.pem),
  ])
})

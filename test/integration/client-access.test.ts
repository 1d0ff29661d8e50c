import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { CLIENTS } from '../support/client-sequences.ts'
import type { TestNode } from '../support/node-fleet.ts'
import { NodeFleet } from '../support/node-fleet.ts'
import { basicOf, TokenRegistry, USER } from '../support/token-registry.ts'

const UP = 'private.test'
const WRONG = basicOf({ ...USER, password: 'guess' })

type Mode = 'public' | 'node' | 'passthrough'

const CREDENTIALS = { none: undefined, right: basicOf(USER), wrong: WRONG, expired: basicOf(USER) } as const
type Credentials = keyof typeof CREDENTIALS

async function world(t: TestContext, access: Mode): Promise<{ registry: TokenRegistry; node: TestNode }> {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 300_000, layerCount: 3 })
  const registry = await TokenRegistry.start(t, image)
  registry.isOpen = access === 'public'
  return { registry, node: await fleet.start({ upstreams: [registry.upstream(UP, access)] }) }
}

/** With `passthrough` a client has what its own credentials open, and elsewhere what the fleet has. */
function expected(client: string, mode: Mode, credentials: Credentials): boolean {
  if (mode !== 'passthrough') return true
  if (client === 'docker 29 and nerdctl by hosts.toml') return false
  return credentials === 'right' || credentials === 'expired'
}

for (const mode of ['public', 'node', 'passthrough'] as const) {
  for (const [client, pull] of Object.entries(CLIENTS)) {
    test(`access ${mode}: ${client}, with credentials and without`, async (t) => {
      const { registry, node } = await world(t, mode)
      const mirror = `http://${node.node.addresses.mirror}`
      const what = { mirror, registry: UP, repository: 'team/app', tag: 'v1' }
      // wrong ones after the right ones: what is here by then is still nobody else's
      for (const kind of ['none', 'right', 'wrong', 'expired'] as const) {
        const halfway = kind === 'expired' ? () => registry.expireTokens() : undefined
        const pulled = await pull({ ...what, credentials: CREDENTIALS[kind], halfway })
        assert.equal(pulled, expected(client, mode, kind), kind)
      }
      // whatever clients ask by, the registry hears its own name of the repository
      assert.deepEqual(
        registry.scopes.filter((scope) => scope !== 'repository:team/app:pull'),
        [],
      )
    })
  }
}

test('a refused proof is asked of the registry once, however often it comes', async (t) => {
  const { registry, node } = await world(t, 'passthrough')
  const guest = { authorization: 'Bearer of-a-guest' }
  for (let i = 0; i < 25; i++) {
    const answer = await node.get(UP, 'team/app/manifests/v1', guest)
    await answer.arrayBuffer()
    assert.equal(answer.status, 401)
    assert.match(answer.headers.get('www-authenticate') ?? '', /scope="repository:team\/app:pull"/)
  }
  assert.equal(registry.asked.length, 1)
  // and nobody else's is affected
  const mine = await node.get(UP, 'team/app/manifests/v1', { authorization: basicOf(USER) })
  assert.equal(mine.status, 200)
})

test('one proof opens an image with one request for each part', async (t) => {
  const { registry, node } = await world(t, 'passthrough')
  const mirror = `http://${node.node.addresses.mirror}`
  const pull = { mirror, registry: UP, repository: 'team/app', tag: 'v1', credentials: basicOf(USER) }
  const byName = CLIENTS['docker 29, nerdctl and oras by name']!
  assert.equal(await byName(pull), true)
  registry.asked.length = 0
  assert.equal(await byName(pull), true)
  // all is here now: only what the tag points to, and whether this client may have it, is asked
  assert.deepEqual(
    registry.asked.filter(({ path }) => !path.endsWith('/manifests/v1')),
    [],
  )
})

test('what a registry hides from strangers is asked for with a proof', async (t) => {
  const { registry, node } = await world(t, 'passthrough')
  registry.hides = true
  const mirror = `http://${node.node.addresses.mirror}`
  const pull = { mirror, registry: UP, repository: 'team/app', tag: 'v1', credentials: basicOf(USER) }
  assert.equal(await CLIENTS['docker 29, nerdctl and oras by name']!(pull), true)
})

test('guests of a public registry pull as before although another wants proofs', async (t) => {
  const fleet = await NodeFleet.create(t)
  const image = await fleet.image({ sizeBytes: 300_000, layerCount: 1 })
  const [hub, other] = [await TokenRegistry.start(t, image, 'library/app'), await TokenRegistry.start(t, image)]
  hub.isOpen = true
  const upstreams = [hub.upstream('docker.io', 'public'), other.upstream(UP, 'passthrough')]
  const node = await fleet.start({ upstreams })
  const mirror = `http://${node.node.addresses.mirror}`
  const what = { mirror, registry: 'docker.io', repository: 'library/app', tag: 'v1' }
  for (const [client, pull] of Object.entries(CLIENTS)) {
    for (const credentials of [undefined, WRONG]) assert.equal(await pull({ ...what, credentials }), true, client)
  }
  assert.deepEqual([...new Set(hub.asked.map(({ proof }) => proof))], [''])
  assert.deepEqual(other.asked, [])
})

test('a wrong password is not taken for the right one of the same name', async (t) => {
  const { node } = await world(t, 'passthrough')
  const status = async (authorization: string) => {
    const answer = await node.get(UP, 'team/app/manifests/v1', { authorization })
    await answer.arrayBuffer()
    return answer.status
  }
  assert.deepEqual([await status(basicOf(USER)), await status(WRONG), await status(basicOf(USER))], [200, 401, 200])
})

test('passwords are asked for on loopback only, and where an upstream wants them', async (t) => {
  const { node } = await world(t, 'passthrough')
  const open = await world(t, 'public')
  const base = async ({ node: { addresses } }: TestNode, host?: string) => {
    const { request } = await import('node:http')
    const options = { host: '127.0.0.1', port: Number(addresses.mirror.split(':')[1]), path: '/v2/' }
    return new Promise<number | undefined>((resolve, reject) => {
      const sent = request({ ...options, headers: { host: host ?? addresses.mirror } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      sent.once('error', reject).end()
    })
  }
  assert.equal(await base(node), 401)
  assert.equal(await base(open.node), 200)
  assert.equal((await fetch(`http://${open.node.node.addresses.mirror}/v2/token`)).status, 404)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blobRequests } from '../../../src/blob/index.ts'
import { SwarmHub } from '../../../src/node/swarm-hub.ts'
import { requireDigest } from '../../../src/oci/digest.ts'
import { ordersProtocol } from '../../../src/orders/index.ts'
import { transferMessages } from '../../../src/transfer/index.ts'
import { SilentLink } from '../transfer/fixture.ts'

const link = new SilentLink('a')
const never = new AbortController().signal
const blob = requireDigest(`sha256:${'0'.repeat(64)}`)
const stat = { upstream: 'up', repository: 'repo', digest: blob }

const PROTOCOL = { stat: blobRequests.stat, leave: transferMessages.leave, letter: ordersProtocol.letter }

/** A hub, and what its rooms hear. */
function hubWith(): { hub: SwarmHub<typeof PROTOCOL>; heard: string[]; attach: () => void } {
  const hub = new SwarmHub<typeof PROTOCOL>()
  const heard: string[] = []
  const attach = (): void =>
    hub.attach({
      linked: () => heard.push('linked'),
      unlinked: () => heard.push('unlinked'),
      handlers: {
        stat: async (_link, { digest }) => ({ kind: 'stat', size: digest.length }),
        leave: (_link, { blob }) => heard.push(`leave ${blob === stat.digest}`),
        letter: (_link, { body }) => heard.push(`letter ${body.length}`),
      },
    })
  return { hub, heard, attach }
}

test('requests are refused as unavailable before the rooms are built and after they close', async () => {
  const { hub, attach } = hubWith()
  const refused = { kind: 'refused', reason: 'unavailable', message: 'this host is starting or stopping' }
  assert.deepEqual(await hub.request(link, 'stat', stat, never), refused)
  attach()
  assert.deepEqual(await hub.request(link, 'stat', stat, never), { kind: 'stat', size: blob.length })
  hub.detach()
  assert.deepEqual(await hub.request(link, 'stat', stat, never), refused)
})

test('what links say before the rooms are built reaches them in its order, and nobody after they close', () => {
  const { hub, heard, attach } = hubWith()
  hub.linked(link)
  hub.message(link, 'leave', { blob })
  attach()
  assert.deepEqual(heard.splice(0), ['linked', 'leave true'])
  hub.message(link, 'letter', { body: new Uint8Array(7) })
  hub.unlinked(link)
  assert.deepEqual(heard.splice(0), ['letter 7', 'unlinked'])
  hub.detach()
  hub.message(link, 'leave', { blob })
  assert.deepEqual(heard, [])
})

test('what links say while nobody listens is bounded', () => {
  const { hub, heard, attach } = hubWith()
  const body = new Uint8Array(4 * 1024 * 1024)
  for (let i = 0; i < 100; i++) hub.message(link, 'letter', { body })
  attach()
  assert.equal(heard.length, 15)
})

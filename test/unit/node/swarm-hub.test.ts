import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SwarmHub } from '../../../src/node/swarm-hub.ts'
import { requireDigest } from '../../../src/oci/digest.ts'
import { RecordedEvents } from '../../integration/swarm-support.ts'
import { SilentLink } from '../transfer/fixture.ts'

const link = new SilentLink('a')
const never = new AbortController().signal
const blob = requireDigest(`sha256:${'0'.repeat(64)}`)
const args = { upstream: 'up', repository: 'repo', digest: blob }

test('calls are refused as unavailable before the rooms are built and after they close', async () => {
  const hub = new SwarmHub()
  const owner = new RecordedEvents()
  owner.answer = async () => ({ kind: 'stat', size: 7 })
  const ask = async (): Promise<string> => {
    const answer = await hub.call(link, 'stat', args, never)
    return answer.kind === 'refused' ? answer.reason : answer.kind
  }
  assert.equal(await ask(), 'unavailable')
  hub.attach(owner)
  assert.equal(await ask(), 'stat')
  hub.detach()
  assert.equal(await ask(), 'unavailable')
})

test('what links say before the rooms are built reaches them in its order, and nobody after they close', () => {
  const hub = new SwarmHub()
  const owner = new RecordedEvents()
  const leave = { type: 'leave', blob } as const
  const seen = (): number[] => [owner.linkedPeers.length, owner.messages.length, owner.unlinkedPeers.length]
  hub.linked(link)
  hub.message(link, leave)
  hub.attach(owner)
  assert.deepEqual(seen(), [1, 1, 0])
  hub.message(link, leave)
  hub.unlinked(link)
  assert.deepEqual(seen(), [1, 2, 1])
  hub.detach()
  hub.message(link, leave)
  assert.deepEqual(seen(), [1, 2, 1])
})

test('what links say while nobody listens is bounded', () => {
  const hub = new SwarmHub()
  const owner = new RecordedEvents()
  const body = new Uint8Array(4 * 1024 * 1024)
  for (let i = 0; i < 100; i++) hub.message(link, { type: 'letter', body })
  hub.attach(owner)
  assert.equal(owner.messages.length, 15)
})

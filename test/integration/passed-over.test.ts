import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../src/base/log.ts'
import { refused } from '../../src/base/outcome.ts'
import { blobRequests } from '../../src/blob/index.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { rankHomes } from '../../src/scheduler/index.ts'
import { HomeRequests, requestOf } from '../../src/tier/home-requests.ts'
import { Suspicion } from '../../src/tier/suspicion.ts'
import { transferRequests } from '../../src/transfer/index.ts'
import { eventually } from '../support/eventually.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { soon, TestFleet } from './swarm-support.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024

test('questions under way end when their cache has been passed over, however alive its link is', async () => {
  await using fleet = await TestFleet.create()
  const cache = await fleet.host({ region: 'default', role: 'cache' })
  const agent = await fleet.host({ region: 'default' })
  let asked = 0
  cache.events.answer = (_name, _args, signal) => {
    asked++
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }
  const link = await agent.swarm.connectAddress(cache.address, AbortSignal.timeout(30_000))
  const clock = new ManualClock()
  const suspicion = new Suspicion(clock)
  const questions = new HomeRequests({ clock, logger: silentLogger, suspicion })
  const args = { upstream: 'a.test', repository: 'app', digest: digestOf(Buffer.from('x')), have: new Uint8Array() }
  const never = new AbortController().signal
  const answers = ['one', 'two'].map((key) =>
    questions.ask(key, link, requestOf(transferRequests.join, args), 600_000, never),
  )
  await eventually('both are asked', () => asked === 2)
  // what a transfer does that gets nothing of what the cache has
  suspicion.passOver(link.peer.key)
  clock.advance(1_000)
  assert.deepEqual(await Promise.all(answers), [undefined, undefined])
  assert.equal(link.silent, false, 'the link has fallen silent meanwhile: that is another reason')
})

test('an answer of a cache that has been passed over meanwhile is none', async () => {
  await using fleet = await TestFleet.create()
  const cache = await fleet.host({ region: 'default', role: 'cache' })
  const agent = await fleet.host({ region: 'default' })
  const asked = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  cache.events.answer = async () => {
    asked.resolve()
    await answered.promise
    return { kind: 'stat', size: 1 }
  }
  const link = await agent.swarm.connectAddress(cache.address, AbortSignal.timeout(30_000))
  const clock = new ManualClock()
  const suspicion = new Suspicion(clock)
  const questions = new HomeRequests({ clock, logger: silentLogger, suspicion })
  const args = { upstream: 'a.test', repository: 'app', digest: digestOf(Buffer.from('x')) }
  const never = new AbortController().signal
  const answer = questions.ask('one', link, requestOf(blobRequests.stat, args), 600_000, never)
  await asked.promise
  suspicion.passOver(link.peer.key)
  answered.resolve()
  assert.equal(await answer, undefined)
})

test('a home that neither says a word nor delivers is passed over for the other cache', async (t) => {
  const fleet = await NodeFleet.create(t)
  // so many layers that the silent cache is the home of some: that it ranks behind for all happens once in 2^32 runs
  const image = await fleet.image({ sizeBytes: 10 * MIB, layerCount: 32 })
  const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
  const cache = await fleet.start({ role: 'cache', upstreams })
  const members = await TestFleet.create()
  t.after(() => members[Symbol.asyncDispose]())
  const silent = await members.host({ region: 'default', role: 'cache' })
  const joins = new Map<string, number>()
  silent.events.answer = async (name, body, signal) => {
    const blob = image.layers.find(({ digest }) => name === 'join' && digest === (body as { digest: string }).digest)
    if (blob === undefined) return refused('unavailable', 'busy')
    const before = joins.get(blob.digest) ?? 0
    joins.set(blob.digest, before + 1)
    // it takes hosts in, and from then on is not heard of: its link lives, and nothing comes over it
    if (before === 0) return { kind: 'swarm', size: blob.size, peers: [], runs: [], members: 1 }
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }
  const { peer } = await silent.swarm.connectAddress(cache.peerAddress, soon())
  const { key, rank } = silent.swarm.self
  const rankOf = (host: string): string | undefined => (host === key ? rank : peer.rank)
  const layers = image.layers.filter(({ digest }) => rankHomes(digest, [key, peer.key], rankOf)[0] === key).slice(0, 2)
  const agent = await fleet.start({ upstreams, caches: [cache, { peerAddress: silent.address }] })
  await eventually('both caches are linked', () => silent.events.linkedPeers.length > 1)
  for (const { digest } of layers) assert.equal(await agent.blobDigest(UP, 'team/app', digest), digest)
  assert.ok(joins.size > 0, 'the silent cache was asked first')
  assert.ok((await agent.received('home')) > 0, 'the other cache has it')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blobRequests } from '../../src/blob/index.ts'
import { Fleet } from '../../src/demo/index.ts'
import { Bitfield } from '../../src/piece/bitfield.ts'
import { PieceLayout } from '../../src/piece/piece-layout.ts'
import { DEFAULT_LEECHER } from '../../src/scheduler/index.ts'
import type { FleetKey } from '../../src/swarm/index.ts'
import { agentKeyOf, formatFleetKey, generateFleetKey } from '../../src/swarm/index.ts'
import { transferMessages, transferRequests } from '../../src/transfer/index.ts'
import type { TestHost } from '../integration/swarm-support.ts'
import { TestFleet } from '../integration/swarm-support.ts'

const MIB = 1024 * 1024
const NEVER = new AbortController().signal

function newKeys(): { key: FleetKey; keys: { cache: string; agent: string } } {
  const key = generateFleetKey()
  return { key, keys: { cache: formatFleetKey(key), agent: formatFleetKey(agentKeyOf(key)) } }
}

/** Makes a member claim to have whole blobs and answer each request for them with zeroes. */
function lie({ events }: TestHost, layouts: ReadonlyMap<string, PieceLayout>): { served: number } {
  const lies = { served: 0 }
  events.onMessage = (link, message) => {
    const layout = 'blob' in message ? layouts.get(message.blob) : undefined
    if (layout === undefined) return
    if (message.type === 'request') {
      lies.served++
      void link.sendPiece(message.id, message.piece, new Uint8Array(layout.length(message.piece)), NEVER)
    }
    if (message.type === 'bitfield') {
      const bits = Bitfield.full(layout.count).toBytes()
      link.send(transferMessages.bitfield, { blob: layout.digest, size: layout.size, bits, queue: 0 })
    }
  }
  return lies
}

// what it takes to be banned for it depends on how many blobs it is asked for: misconduct.test.ts
test('wrong bytes cost their sender the blob before anything is stored; the pull succeeds', async () => {
  const { key, keys } = newKeys()
  await using strangers = await TestFleet.create()
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 2 }], keys })
  const { reference, image } = await fleet.push({ sizeBytes: 32 * MIB, layerCount: 4 })

  const liar = await strangers.host({ region: 'default', fleetKey: agentKeyOf(key) })
  const lies = lie(liar, new Map(image.layers.map(({ digest, size }) => [digest, new PieceLayout(digest, size)])))
  const { swarm } = liar
  const signal = AbortSignal.timeout(30_000)
  const home = await swarm.connectAddress(fleet.caches[0]!.peerAddress, signal)
  await home.request(
    blobRequests.manifest,
    { upstream: 'docker.io', repository: 'library/app', target: { kind: 'tag', tag: '1' } },
    signal,
  )
  for (const { digest } of image.layers) {
    const args = { upstream: 'docker.io', repository: 'library/app', digest, have: new Uint8Array() }
    assert.equal((await home.request(transferRequests.join, args, signal)).kind, 'swarm')
  }

  // slow enough that the liar is asked while pieces are still rare
  await fleet.origin.setFaults({ bytesPerSec: 16 * MIB })
  const results = await Promise.all(fleet.agents.map((agent) => fleet.pull(agent, reference)))
  assert.ok(results.every(({ digest }) => digest === image.manifest.digest))
  assert.ok(lies.served > 0, 'the liar was never asked, so nothing was shown')
  let rejected = 0
  for (const agent of fleet.agents) {
    rejected += (await agent.metrics()).sum('shoal_pieces_rejected_total', { reason: 'wrong_bytes' })
  }
  assert.ok(rejected > 0, 'no agent noticed')
  // what was under way when the first wrong piece came, and nothing after it
  const most = fleet.agents.length * image.layers.length * DEFAULT_LEECHER.maxOutstanding
  assert.ok(lies.served <= most, `${lies.served} pieces were asked of the liar`)
  const blobs = JSON.stringify(await fleet.agents[0]!.api('blobs'))
  assert.ok(image.layers.every(({ digest }) => blobs.includes(digest)))
})

test('a stranger without the fleet key gets no answer, and the fleet goes on', async () => {
  const { keys } = newKeys()
  await using strangers = await TestFleet.create()
  await using fleet = await Fleet.start({ regions: [{ name: 'default', caches: 1, agents: 1 }], keys })
  const { swarm, events } = await strangers.host({ region: 'default', fleetKey: agentKeyOf(generateFleetKey()) })
  for (const host of [...fleet.caches, ...fleet.agents]) {
    await assert.rejects(swarm.connectAddress(host.peerAddress, AbortSignal.timeout(20_000)), { code: 'PEER_REFUSED' })
  }
  assert.deepEqual([swarm.links.size, events.messages.length], [0, 0])
  const { reference, image } = await fleet.push({ sizeBytes: 2 * MIB, layerCount: 1 })
  assert.equal((await fleet.pull(fleet.agents[0]!, reference)).digest, image.manifest.digest)
})

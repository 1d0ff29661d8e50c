import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { askPrewarm, prewarmEnded } from '../support/ask-prewarm.ts'

import { FakeRegistry } from '../support/fake-registry.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'

const UP = 'registry.test'
const MIB = 1024 * 1024
const RATE = 2 * MIB
/** A second ahead, a tenth of a second saved up, and what a busy machine sends late. */
const BURST = 1.8 * RATE
/** Introductions, hashes and what encryption adds are no content. */
const TALK = 0.1 * MIB

interface Sent {
  readonly sent: readonly { readonly at: number; readonly bytes: number }[]
}

/** The most that was sent beyond the rate in any stretch of time. A slow machine sends less, never more. */
function mostBeyond({ sent }: Sent, bytesPerSec: number): number {
  let most = 0
  let lowest = 0
  let level = 0
  let before = sent[0]?.at ?? 0
  for (const { at, bytes } of sent) {
    level -= ((at - before) / 1000) * bytesPerSec
    before = at
    lowest = Math.min(lowest, level)
    level += bytes
    most = Math.max(most, level - lowest)
  }
  return most
}

describe('a limit holds for what an origin sends, over any stretch of time', { concurrency: 3 }, () => {
  for (const name of ['origin', 'download'] as const) {
    test(`limits.${name}: two layers at once`, async (t) => {
      const fleet = await NodeFleet.create(t)
      const image = await fleet.image({ sizeBytes: 12 * MIB, layerCount: 2 })
      const origin = await FakeRegistry.start(t, image)
      const agent = await fleet.start({ upstreams: [origin.upstream(UP)], limits: { [name]: RATE } })
      await agent.pull(UP, 'team/app', 'v1', image)
      const most = mostBeyond(origin, RATE)
      assert.ok(most <= BURST, `${most} bytes beyond the rate`)
      const bytes = image.config.size + image.layers.reduce((sum, { size }) => sum + size, 0)
      assert.equal(origin.sentBytes, bytes)
    })
  }

  test('the origin rate of a prewarm job', async (t) => {
    const fleet = await NodeFleet.create(t)
    const image = await fleet.image({ sizeBytes: 12 * MIB, layerCount: 3 })
    const origin = await FakeRegistry.start(t, image)
    const { cache } = await fleet.region({ upstreams: [origin.upstream(UP)] }, 1)
    const body = { images: [`${UP}/team/app:v1`], originRate: '2MiB' }
    const { id } = await askPrewarm(cache, '', { method: 'POST', body })
    assert.equal((await prewarmEnded(cache, id)).state, 'done')
    const most = mostBeyond(origin, RATE)
    assert.ok(most <= BURST, `${most} bytes beyond the rate`)
  })
})

/** What stands before a host and counts what that sends. */
async function counting(t: TestContext, peerAddress: string): Promise<Sent & { readonly peerAddress: string }> {
  const [host = '', port = ''] = peerAddress.split(':')
  const sent: { at: number; bytes: number }[] = []
  const server = createServer((near) => {
    const far = connect({ host, port: Number(port) })
    far.on('data', ({ length }) => sent.push({ at: performance.now(), bytes: length }))
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  return { sent, peerAddress: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

describe('a limit holds for what hosts send one another, over any stretch of time', { concurrency: 2 }, () => {
  for (const name of ['upload', 'download'] as const) {
    test(`limits.${name}`, async (t) => {
      const fleet = await NodeFleet.create(t)
      const image = await fleet.image({ sizeBytes: 8 * MIB, layerCount: 2 })
      const upstreams = [directoryUpstream(UP, await fleet.push('origin', 'team/app', 'v1', image))]
      const limits = { [name]: RATE }
      const cache = await fleet.start({ role: 'cache', upstreams, limits: name === 'upload' ? limits : {} })
      const relay = await counting(t, cache.peerAddress)
      const agent = await fleet.start({ upstreams, caches: [relay], limits: name === 'download' ? limits : {} })
      await agent.pull(UP, 'team/app', 'v1', image)
      assert.equal(await agent.originRequests(), 0)
      const most = mostBeyond(relay, RATE)
      assert.ok(most <= BURST + TALK, `${most} bytes beyond the rate`)
      const layers = image.layers.reduce((sum, { size }) => sum + size, 0)
      assert.ok(relay.sent.reduce((sum, { bytes }) => sum + bytes, 0) >= layers, 'all of it came this way')
    })
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricsOf, NEEDS_NAMESPACES, NetworkFleet, pull } from '../support/network-fleet.ts'
import { assertOneCopy } from '../support/one-copy.ts'

const MIB = 1024 * 1024
/** Of the link between the regions. */
const THIN_MBPS = 8
/** Half of them wait for longer than ten seconds until the link is free for them. */
const IMAGE = { sizeBytes: 20 * MIB, layerCount: 5, seed: 1 }
/** Frames, acknowledgements, keeping links alive, and what hosts tell one another. */
const TALK = 0.1

test(
  'a far region behind a thin link gets several layers as one copy and never leaves its parent',
  NEEDS_NAMESPACES,
  async (t) => {
    const fleet = await NetworkFleet.create(t)
    const image = await fleet.image('team/app', IMAGE)
    const near = await fleet.start({ role: 'cache', region: 'near' })
    const parent = { region: 'near', caches: [near] }
    const far = await fleet.start({ role: 'cache', region: 'far', parent, mbps: THIN_MBPS })
    // thin is the way to it; what it gives its own region leaves by a link like any other
    await fleet.network.setUplink(far.host, 50 * THIN_MBPS)
    const agents = []
    for (let i = 0; i < 2; i++) agents.push(await fleet.start({ role: 'agent', region: 'far', caches: [far], parent }))
    await Promise.all(agents.map((agent) => pull(agent, image, 'team/app')))
    const bytes = image.layers.reduce((sum, { size }) => sum + size, 0)
    const came = (await fleet.network.traffic()).get(far.host.name)?.down ?? 0
    assert.ok(came > bytes && came < (1 + TALK) * bytes, `${came} bytes over the link, of ${bytes}`)
    assertOneCopy((await metricsOf(far)).sum('shoal_received_bytes_total', { from: 'parent' }), bytes)
    for (const host of [far, ...agents]) {
      assert.equal((await metricsOf(host)).sum('shoal_origin_requests_total'), 0, `${host.host.name} asked the origin`)
    }
    assertOneCopy((await metricsOf(near)).sum('shoal_received_bytes_total', { from: 'origin' }), bytes)
  },
)

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { burstBound, joinBound, rollingBound, serverBound, swarmBound } from '../../../bench/fleet/bounds.ts'

/** `count` hosts of one rate both ways. */
function hosts(bytes: number, count: number, rate: number): Parameters<typeof swarmBound>[1] {
  const rates = Array<number>(count).fill(rate)
  return { bytes, downloads: rates, uploads: rates }
}

describe('bounds on distribution', () => {
  it('a symmetric fleet needs one image time whatever its size', () => {
    for (const count of [1, 16, 1000]) assert.equal(swarmBound(10, hosts(100, count, 10)), 10)
  })

  it('a source slower than the hosts is the bound', () => {
    assert.equal(swarmBound(5, hosts(100, 16, 10)), 20)
  })

  it('the slowest downlink is the bound', () => {
    assert.equal(swarmBound(100, { bytes: 100, downloads: [10, 2], uploads: [10, 10] }), 50)
  })

  it('all uplinks together are the bound where hosts send slower than they receive', () => {
    // 4 hosts need 400 bytes; 10 + 4 * 1 bytes per second is all there is.
    const asymmetric = { bytes: 100, downloads: [100, 100, 100, 100], uploads: [1, 1, 1, 1] }
    assert.equal(swarmBound(10, asymmetric), 400 / 14)
  })

  it('nobody to serve takes no time', () => {
    assert.equal(swarmBound(10, hosts(100, 0, 10)), 0)
  })

  it('a cold cache cannot be faster than the origin, nor receive faster than its link', () => {
    const receivers = hosts(100, 4, 10)
    assert.equal(burstBound({ origin: 4, cache: 100 }, receivers), 25)
    assert.equal(burstBound({ origin: 100, cache: 5 }, receivers), 20)
    assert.equal(burstBound({ origin: 100, cache: 100 }, receivers), 10)
  })

  it('without a swarm the server sends every copy', () => {
    assert.equal(serverBound(40, hosts(100, 16, 10)), 40)
    assert.equal(serverBound(1000, hosts(100, 16, 10)), 10)
  })

  it('who joins late ends late', () => {
    assert.equal(joinBound(10, 5, hosts(100, 2, 10)), 15)
    assert.equal(joinBound(30, 5, hosts(100, 2, 10)), 30)
    assert.equal(joinBound(10, 5, hosts(100, 0, 10)), 10)
  })

  it('hosts of earlier waves help later ones', () => {
    // A cache of half a host's rate: the second wave has the first one's uplinks besides.
    const waves = [hosts(100, 1, 10), hosts(100, 1, 10)]
    assert.equal(rollingBound(20, 5, waves), 20 + 10)
    assert.equal(rollingBound(20, 5, waves.slice(0, 1)), 20)
  })
})

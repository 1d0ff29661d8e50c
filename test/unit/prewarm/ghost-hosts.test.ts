import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GONE_MS, Region } from './region.ts'

describe('hosts that only announced themselves', () => {
  it('sets a host aside that is linked and never says a word, and a new link is no word', () => {
    const region = new Region({}, 2)
    region.step()
    const [ghost, other] = region.reached
    region.report(other!, { state: 'ready' })
    for (let i = 0; i < 4; i++) {
      region.now += 15_000
      region.leave(ghost!)
      region.join(ghost!)
      region.step()
    }
    assert.deepEqual(
      region.job.tally().reasons.map(({ state, reason, count }) => [state, reason, count]),
      [['skipped', 'set aside: has never answered', 1]],
    )
    region.leave(ghost!)
    region.join(ghost!)
    region.advance()
    assert.equal(region.row.state, 'done', 'the job ends without it')
    assert.match(region.row.reason ?? '', /^1 host never answered and was set aside/)
    region.report(ghost!, { state: 'moving' })
    assert.deepEqual([region.job.tally().hosts.moving, region.job.tally().setAside], [1, 0])
  })

  it('sets a host aside that only comes and goes, in the time of one that is gone', () => {
    const region = new Region({}, 1)
    region.step()
    const [ghost] = region.reached
    region.leave(ghost!)
    region.step()
    region.now += GONE_MS / 2
    region.join(ghost!)
    region.step()
    region.leave(ghost!)
    region.now += GONE_MS / 2
    region.step()
    assert.equal(region.job.tally().setAside, 1)
  })

  it('takes a host for failed that has spoken and then says nothing for long', () => {
    const region = new Region({}, 1)
    region.step()
    const [host] = region.reached
    region.report(host!, { state: 'moving' })
    for (let passed = 0; passed <= 60_000 + 3 * GONE_MS; passed += 15_000) {
      region.now += 15_000
      region.step()
    }
    assert.deepEqual(
      region.job.tally().reasons.map(({ state, reason, count }) => [state, reason, count]),
      [['failed', 'does not answer', 1]],
    )
  })

  it('reaches its quorum whatever number of identities announced themselves and never answer', () => {
    const region = new Region({ maxHosts: 2, waves: ['2', '100%'], rate: 1 }, 0)
    const real = ['host-1000a', 'host-1000b', 'host-1000c']
    for (const key of real) region.join(key, '10.0.1.1')
    const ghosts = Array.from({ length: 400 }, (_, i) => `ghost-${String(i).padStart(5, '0')}`)
    for (const key of ghosts) region.join(key, '10.0.6.6')
    for (let passed = 0; region.row.state === 'running'; passed += 1_000) {
      assert.ok(passed < 5 * 60_000, 'the job is stalled')
      region.now += 1_000
      region.advance()
      const spoken = region.reached.filter((key) => real.includes(key) && !region.job.ended(key))
      for (const key of spoken) region.report(key, { state: 'ready' })
    }
    const { hosts, setAside } = region.job.tally()
    assert.deepEqual([region.row.state, hosts.ready, setAside], ['done', 3, 400])
    const told = ghosts.filter((key) => (region.told.get(key)?.length ?? 0) > 0)
    assert.ok(told.length < 40, `${told.length} ghosts of one address were waited for`)
  })

  it('does not reach its quorum when hosts that were expected never answer', () => {
    const region = new Region({ hosts: '3' }, 3)
    region.step()
    const [silent, ...others] = region.reached
    for (const key of others) region.report(key, { state: 'ready' })
    for (let i = 0; i < 4; i++) {
      region.now += 15_000
      region.advance()
    }
    assert.deepEqual([region.row.state, region.job.tally().setAside], ['failed', 1])
    assert.match(region.row.reason ?? '', /^2 of 3 hosts are ready/)
    assert.ok(silent)
  })

  it('gives the place of a host that never answers to another one that is there', () => {
    const region = new Region({ hosts: '2' }, 3)
    region.step()
    const [silent, other] = region.reached
    region.report(other!, { state: 'ready' })
    for (let i = 0; i < 4; i++) {
      region.now += 15_000
      region.step()
    }
    const third = region.reached.find((key) => key !== silent && key !== other)
    region.report(third!, { state: 'ready' })
    region.advance()
    assert.deepEqual([region.row.state, region.job.tally().hosts.ready], ['done', 2])
  })

  it('gives the place of nobody away when the job is over', () => {
    const region = new Region({ hosts: '3', quorum: '60%' }, 3)
    region.step()
    for (const key of region.reached.slice(1)) region.report(key, { state: 'ready' })
    for (let i = 0; i < 4; i++) {
      region.now += 15_000
      region.advance()
    }
    assert.equal(region.row.state, 'done')
    region.join('host-99999')
    region.step()
    assert.equal(region.job.roster.length, 3)
  })

  it('believes an address where hosts answer, however many of them are slow to', () => {
    const region = new Region({}, 0)
    const hosts = Array.from({ length: 100 }, (_, i) => `host-${String(i).padStart(5, '0')}`)
    for (const key of hosts) region.join(key, '10.0.1.1')
    region.step()
    for (const key of region.reached.slice(0, 60)) region.report(key, { state: 'moving' })
    for (let i = 0; i < 2; i++) {
      region.now += 15_000
      region.step()
    }
    assert.equal(region.job.tally().setAside, 0)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Rng } from '../../../src/base/rng.ts'
import { seededRng } from '../../../src/base/rng.ts'
import { AGENT_SEEDER, CACHE_SEEDER, DEFAULT_LEECHER } from '../../../src/scheduler/index.ts'
import type { SwarmOptions } from '../../../src/sim/swarm-options.ts'
import { GIGABIT, MIB } from '../../../src/sim/swarm-options.ts'
import type { SwarmReport } from '../../../src/sim/swarm-report.ts'
import { VirtualSwarm } from '../../../src/sim/virtual-swarm.ts'

/** An hour of virtual time: a swarm that needs longer does not end. */
const HOUR_MS = 3_600_000

/** Some swarm: small and large, fast and slow, with all that can go wrong going wrong for a while. */
function anySwarm(seed: number, rng: Rng): SwarmOptions {
  const pieceMs = 2 + rng.below(60)
  const blobs = Array.from({ length: 1 + rng.below(3) }, (_, i) => ({
    blob: i + 1,
    pieces: 1 + rng.below(60),
    pieceBytes: MIB,
    order: rng.below(3),
  }))
  const often = (): number => (rng.next() < 0.5 ? 0 : rng.next() * 0.1)
  return {
    ...GIGABIT,
    seed,
    hosts: 1 + rng.below(12),
    blobs,
    audited: true,
    hostRate: MIB / pieceMs,
    cacheRatio: 1 + rng.below(6),
    caches: 1 + rng.below(2),
    regions: rng.next() < 0.7 ? 1 : 2,
    zones: 1 + rng.below(2),
    latencyMs: rng.next() * 20,
    jitterMs: rng.next() * 30,
    windowBytes: (1 + rng.below(4)) * (MIB / 4),
    bufferBytes: rng.below(3) * MIB,
    joinWithinMs: rng.below(2) * rng.below(3_000),
    originRate: rng.next() < 0.5 ? undefined : MIB / (1 + rng.next() * 10),
    faults: {
      corrupt: often(),
      silent: often(),
      aborted: often(),
      originFails: often() * 5,
      leaveEveryMs: rng.next() < 0.5 ? 0 : 200 + rng.below(2_000),
      awayMs: rng.below(4_000),
      untilMs: 20_000,
    },
    leecher: {
      ...DEFAULT_LEECHER,
      maxOutstanding: 2 + rng.below(8),
      smallOutstanding: rng.below(17),
      smallBytes: rng.below(20) * MIB,
      perSource: 1 + rng.below(2),
      rangeBytes: 8 * MIB,
    },
    seeder: { ...AGENT_SEEDER, slots: 1 + rng.below(4), underWay: 1 + rng.below(8), queue: rng.below(9) },
    homeSeeder: { ...CACHE_SEEDER, slots: 1 + rng.below(8), underWay: 1 + rng.below(16) },
  }
}

function runAny(seed: number): { readonly swarm: VirtualSwarm; readonly report: SwarmReport } {
  const swarm = new VirtualSwarm(anySwarm(seed, seededRng(seed)))
  return { swarm, report: swarm.run(HOUR_MS) }
}

describe('a swarm under random faults, delays and comings and goings', () => {
  // what a leecher may not do is watched by the audit in every host, which throws
  it('always ends with every piece everywhere, within all limits, and with balanced books', () => {
    for (let seed = 1; seed <= 150; seed++) {
      try {
        const { swarm, report } = runAny(seed)
        assert.equal(report.finished, true, 'did not end')
        swarm.settle(60_000)
        for (const host of swarm.hosts) {
          assert.equal(host.outstanding, 0, `host ${host.id} has requests outstanding`)
          assert.equal(host.audit!.openCount, 0, `host ${host.id} has requests open`)
          assert.equal(host.queueLength, 0, `host ${host.id} has a queue`)
          assert.equal(host.sending, 0, `host ${host.id} is sending`)
        }
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
  })

  // a piece whose book was off by one would count as under way, and never be asked for
  it('fetches all again when everything is dropped at the end', () => {
    for (let seed = 201; seed <= 230; seed++) {
      const { swarm } = runAny(seed)
      swarm.settle(60_000)
      for (const host of swarm.leechers) host.loseEverything()
      assert.equal(swarm.resume(2 * HOUR_MS).finished, true, `seed ${seed}`)
    }
  })

  it('is the same when run again', () => {
    for (const seed of [3, 5, 8]) assert.deepEqual(runAny(seed).report, runAny(seed).report)
  })
})

describe('a swarm without faults', () => {
  const cases: readonly [string, Partial<SwarmOptions>, number][] = [
    ['16 hosts, a home as fast as they', { hosts: 16, cacheRatio: 1 }, 1.25],
    ['16 hosts, a home four times as fast', { hosts: 16, cacheRatio: 4 }, 1.15],
    ['16 hosts behind shallow buffers', { hosts: 16, cacheRatio: 4, windowBytes: MIB / 2 }, 1.25],
    ['64 hosts, a home eight times as fast', { hosts: 64, cacheRatio: 8 }, 1.2],
    ['one host', { hosts: 1, cacheRatio: 1 }, 1.05],
  ]
  for (const [name, options, most] of cases) {
    it(`comes near the physical limit: ${name}`, (context) => {
      const report = new VirtualSwarm({ ...GIGABIT, audited: true, ...options }).run(HOUR_MS)
      const { ratio, homeCopies, duplicates } = report
      context.diagnostic(
        `${ratio.toFixed(3)} of the bound, home sent ${homeCopies.toFixed(2)} copies, ${duplicates} duplicates`,
      )
      assert.equal(report.finished, true)
      assert.ok(ratio >= 1, 'faster than light')
      assert.ok(ratio <= most, `${ratio.toFixed(3)} of the bound`)
      assert.ok(duplicates <= 0.02 * 256 * report.hosts, `${duplicates} duplicates`)
    })
  }

  it('moves layers together about as fast as one blob', () => {
    const layers = [1, 2, 3, 4].map((blob) => ({ blob, pieces: 64, pieceBytes: MIB, order: blob }))
    const report = new VirtualSwarm({ ...GIGABIT, hosts: 16, cacheRatio: 1, blobs: layers }).run(HOUR_MS)
    assert.ok(report.ratio <= 1.25, `${report.ratio.toFixed(3)} of the bound`)
  })

  it('lets the home send hardly more than one copy while it is the bottleneck', () => {
    const report = new VirtualSwarm({ ...GIGABIT, hosts: 16, cacheRatio: 1 }).run(HOUR_MS)
    assert.ok(report.homeCopies <= 1.4, `${report.homeCopies.toFixed(2)} copies`)
  })

  it('sends no news of wants that have not changed', () => {
    const origin = { hosts: 8, originRate: MIB / 1_250, blobs: [{ blob: 1, pieces: 8, pieceBytes: MIB, order: 0 }] }
    const report = new VirtualSwarm({ ...GIGABIT, ...origin }).run(HOUR_MS)
    assert.equal(report.finished, true)
    assert.ok(report.wants <= 8 * 8 * 9, `${report.wants} wants`)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SimBenchOptions } from '../../../bench/sim/options.ts'
import { simCommand } from '../../../bench/sim/options.ts'
import { seededRng } from '../../../src/base/rng.ts'
import { boundMs, boundsOf } from '../../../src/sim/bound.ts'
import { Inbox } from '../../../src/sim/inbox.ts'
import { simulate } from '../../../src/sim/index.ts'
import { VirtualClock } from '../../../src/sim/virtual-clock.ts'

async function options(...args: string[]): Promise<SimBenchOptions> {
  let parsed: SimBenchOptions | undefined
  const command = simCommand(async (asked) => {
    parsed = asked
  }).exitOverride()
  await command.configureOutput({ writeErr: () => {} }).parseAsync(args, { from: 'user' })
  return parsed!
}

const SMALL = ['--hosts', '24', '--size', '16MiB', '--gbps', '1']

/** 16 hosts at 24 Mb/s, a cache and an origin four times as fast. */
const FLEET = [
  ...['--hosts', '16', '--gbps', '0.022944', '--size', '64MiB', '--layers', '4', '--rtt', '1'],
  ...['--cache-ratio', '4', '--origin-ratio', '4', '--window', '128KiB'],
]

const LAYERS = ['--hosts', '24', '--size', '256MiB', '--layers', '4', '--piece-size', '512KiB']
const SLOW = ['--hosts', '4', '--size', '32MiB', '--piece-size', '2MiB', '--gbps', '0.002', '--cache-ratio', '1']

describe('the simulator', () => {
  it('gives the same for the same seed, and something else for another', async () => {
    const faults = ['--churn', '0.2', '--slow', '0.05', '--dead', '0.05', '--zones', '2']
    const one = simulate(await options(...SMALL, ...faults))
    const again = simulate(await options(...SMALL, ...faults))
    assert.deepEqual(one, again)
    const other = simulate(await options(...SMALL, ...faults, '--seed', '2'))
    assert.notEqual(one.traceHash, other.traceHash)
    assert.equal(one.finished, true)
  })

  it('reads the origin once, however many regions there are', async () => {
    for (const regions of ['1', '3']) {
      const result = simulate(await options(...SMALL, '--regions', regions, '--caches', '2', '--layers', '3'))
      assert.equal(result.finished, true)
      assert.equal(result.originRatio, 1, `${regions} regions`)
      assert.ok(result.ratio >= 1)
    }
  })

  it('keeps what a host has outstanding within its bytes', async () => {
    const result = simulate(await options(...SMALL, '--size', '128MiB', '--piece-size', '4MiB'))
    // a home may begin two wants on top
    assert.ok(result.mostOutstandingBytes <= 16 * 2 ** 20 + 2 * 4 * 2 ** 20, `${result.mostOutstandingBytes} bytes`)
  })

  const costs: readonly [string, number, readonly string[]][] = [
    ['what bench:fleet does comes near the bound', 1.1, FLEET],
    ['four layers over fast links move as one', 1.15, LAYERS],
    ['hosts that never answer cost little where an image takes a second', 1.25, ['--hosts', '60', '--dead', '0.05']],
    ['hosts that never answer cost little where it takes half a minute', 1.25, [...FLEET, '--dead', '0.1']],
    ['hosts with a tenth of the uplink cost little', 1.2, ['--hosts', '60', '--slow', '0.05']],
    // a piece takes a second, in a queue longer than the shortest deadline by far
    ['slow links are not taken for dead hosts', 1.25, [...FLEET, '--gbps', '0.002']],
    // nothing is known of the link until its first piece is here, long after the first deadline
    ['links slower than the first deadline bring everything', 2.5, SLOW],
  ]
  for (const [name, most, args] of costs) {
    it(name, async (context) => {
      const result = simulate(await options('--gbps', '10', ...args))
      context.diagnostic(`${result.ratio.toFixed(3)} of the bound`)
      assert.equal(result.finished, true)
      assert.ok(result.ratio >= 1 && result.ratio <= most, `${result.ratio.toFixed(3)} of the bound`)
    })
  }

  it('refuses what makes no sense', async () => {
    for (const args of [
      ['--hosts', '0'],
      ['--size', 'much'],
      ['--dead', '2'],
      ['--gbps', ''],
    ]) {
      await assert.rejects(options(...args), { code: 'commander.invalidArgument' })
    }
  })
})

describe('the bound', () => {
  const rates = { origin: 100, parents: 100, caches: 10, hosts: 4, up: 4, slowestDown: 1 }
  it('is set by whatever is slowest', () => {
    assert.equal(boundMs(boundsOf(100, rates)), 100)
    assert.equal(boundMs(boundsOf(100, { ...rates, caches: 0.5 })), 200)
    assert.equal(boundMs(boundsOf(100, { ...rates, up: 0 })), 100)
    assert.equal(boundMs(boundsOf(100, { ...rates, caches: 1, up: 0 })), 400)
    assert.equal(boundMs(boundsOf(100, { ...rates, origin: 0.25 })), 400)
  })
})

describe('virtual time', () => {
  it('runs what is due in order of time, then of asking', () => {
    const clock = new VirtualClock()
    const rng = seededRng(1)
    const ran: { at: number; n: number }[] = []
    for (let n = 0; n < 5_000; n++) {
      const at = rng.below(100)
      clock.call(at, (one: { at: number; n: number }) => ran.push(one), { at, n })
    }
    clock.run(() => false, 1_000)
    assert.deepEqual(
      ran,
      ran.toSorted((a, b) => a.at - b.at || a.n - b.n),
    )
    assert.equal(ran.length, 5_000)
    assert.equal(clock.now(), 99)
  })

  it('does not run what was taken back, nor what is due too late', () => {
    const clock = new VirtualClock()
    let ran = 0
    clock.after(5, () => ran++)[Symbol.dispose]()
    clock.after(20, () => ran++)
    assert.equal(
      clock.run(() => false, 10),
      false,
    )
    assert.equal(ran, 0)
  })

  it('runs what comes at once before anything that is due as well, and what follows from it behind it', () => {
    const clock = new VirtualClock()
    const ran: string[] = []
    const say = (word: string): void => void ran.push(word)
    clock.call(0, say, 'due')
    clock.soon((word: string) => {
      say(word)
      clock.soon(say, 'then')
    }, 'first')
    clock.run(() => false, 10)
    assert.deepEqual(ran, ['first', 'then', 'due'])
    assert.equal(clock.events, 3)
  })
})

describe('an inbox', () => {
  const news = (id: number) => ({ type: 'progress', id, bytes: 1 }) as const

  it('gives out what has come, in the order of coming, once', () => {
    const inbox = new Inbox()
    for (const at of [3, 1, 5, 2]) inbox.put(at, news(at))
    assert.equal(inbox.nextAt, 1)
    assert.deepEqual(inbox.take(0.5), [])
    assert.deepEqual(
      inbox.take(3).map(({ at }) => at),
      [1, 2, 3],
    )
    assert.equal(inbox.nextAt, 5)
    assert.deepEqual(inbox.take(4), [])
    assert.deepEqual(inbox.take(5), [{ at: 5, event: news(5) }])
    assert.equal(inbox.nextAt, Number.POSITIVE_INFINITY)
  })

  it('forgets what was for a life that has ended', () => {
    const inbox = new Inbox()
    inbox.put(1, news(1))
    inbox.clear()
    assert.deepEqual(inbox.take(2), [])
  })
})

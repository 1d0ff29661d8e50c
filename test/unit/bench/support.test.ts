import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { shapingCommands } from '../../../bench/fleet/shaping.ts'
import { CpuMeter, parseCpuTicks, parseProcessTicks, peakRssBytes } from '../../../bench/support/cpu-usage.ts'
import { eachAtMost } from '../../../bench/support/each-at-most.ts'
import { resultText } from '../../../bench/support/result-file.ts'
import { isRunning, ownerOf } from '../../../bench/support/scratch.ts'
import { quantile } from '../../../src/base/quantile.ts'
import { useCpu } from './use-cpu.ts'

describe('quantiles', () => {
  it('are values that occurred', () => {
    assert.equal(quantile([4, 1, 3, 2], 0.5), 2)
    assert.equal(quantile([4, 1, 3, 2], 0.99), 4)
    assert.equal(quantile([4, 1, 3, 2], 0), 1)
    assert.ok(Number.isNaN(quantile([], 0.5)))
  })
})

describe('CPU usage', () => {
  it('is read from /proc/stat', () => {
    const ticks = parseCpuTicks('cpu  100 1 50 800 20 3 16 10 7 7\ncpu0 1 2 3 4 5 6 7 8\n')
    assert.deepEqual(ticks, { total: 1000, idle: 820, softirq: 16 })
  })

  it('of a process is read past a name with spaces and parentheses', () => {
    const ticks = parseProcessTicks('12 (a ) b) S 1 12 12 0 -1 4194560 1 0 0 0 250 50 0 0 20 0')
    assert.deepEqual(ticks, { user: 250, system: 50 })
  })

  it('tells the work of named processes from that of others', () => {
    const meter = CpuMeter.start(new Map([['this test', process.pid]]))
    useCpu(200)
    const usage = meter.stop()
    assert.equal(usage.busiestProcess.name, 'this test')
    assert.ok((usage.seconds['this test'] ?? 0) > 0)
    assert.ok(usage.busy > 0 && usage.busy <= 1)
    assert.ok(usage.foreign < usage.busy)
  })

  it('knows how much memory a process had at most, while it lives', () => {
    assert.ok((peakRssBytes(process.pid) ?? 0) > 1024 * 1024)
    assert.equal(peakRssBytes(2 ** 30), undefined)
  })
})

describe('names of ours', () => {
  it('tell which process they belong to', () => {
    assert.equal(ownerOf('shoal-bench-123-host-1'), 123)
    assert.equal(ownerOf('shoal-bench-'), undefined)
    assert.equal(ownerOf('docker0'), undefined)
    assert.equal(isRunning(2 ** 30), false)
  })
})

describe('eachAtMost', () => {
  it('runs no more than that many at a time and keeps the order', async () => {
    let running = 0
    let most = 0
    const results = await eachAtMost(2, [3, 1, 2, 1], async (value) => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      return value * 10
    })
    assert.deepEqual(results, [30, 10, 20, 10])
    assert.equal(most, 2)
  })

  it('throws the first failure once everything has ended', async () => {
    const ended: number[] = []
    const work = async (value: number): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve))
      if (value === 1) throw new Error('one')
      ended.push(value)
    }
    await assert.rejects(eachAtMost(3, [1, 2, 3], work), /one/)
    assert.deepEqual(ended, [2, 3])
  })
})

describe('shaping', () => {
  it('lets a millisecond burst at most, and queues bytes, not packets', () => {
    const [, slow, queue] = shapingCommands('eth0', 24).map((args) => args.join(' '))
    assert.match(slow ?? '', /rate 24000kbit ceil 24000kbit burst 16384b cburst 16384b/)
    assert.match(queue ?? '', /bfifo limit 131072$/)
    const fast = shapingCommands('eth0', 1000).map((args) => args.join(' '))
    assert.match(fast[1] ?? '', /burst 125000b/)
    assert.match(fast[2] ?? '', /bfifo limit 2500000$/)
  })
})

describe('a result file', () => {
  const result = {
    bench: 'fleet',
    empty: [],
    names: ['[\n  1\n]', 'b'],
    timeline: { everyMs: 250, down: [{ link: 'h1', shares: Array.from({ length: 500 }, (_, i) => i / 1_000) }] },
    points: [[1, -2.5e-7], [null]],
  }

  it('has each timeline of a link on one line', () => {
    const lines = resultText(result).split('\n')
    assert.equal(lines.filter((line) => line.includes('"shares"')).length, 1)
    assert.ok(lines.length < 40, `${lines.length} lines`)
  })

  it('says what the result was', () => {
    assert.deepEqual(JSON.parse(resultText(result)), result)
  })
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { runProgram } from '../../../src/cli/index.ts'
import { docsBlock } from '../../support/docs-block.ts'
import { runCommand, TextSink } from '../../support/run-command.ts'

const planSchema = z.object({
  seconds: z.object({ half: z.number(), last: z.number() }),
  atBestSeconds: z.number(),
  limitedBy: z.string(),
  limits: z.record(z.string(), z.number().nullable()),
  originBytes: z.number(),
  originCopies: z.number(),
  without: z.object({ seconds: z.number(), originBytes: z.number() }),
})
type Plan = z.infer<typeof planSchema>

const MIB = 2 ** 20
const SMALL = ['--hosts', '12', '--size', '16MiB']
/** What a plan may be beside what real hosts took: neither their CPU nor their disks are simulated. */
const NEAR = 0.15

async function plan(...args: string[]): Promise<Plan> {
  const { code, stdout, stderr } = await runCommand(['plan', '--json', ...args])
  assert.equal(code, 0, stderr)
  return planSchema.parse(JSON.parse(stdout))
}

/** Seconds of the last host of a burst that was measured. */
function measured(file: string): number {
  const resultsSchema = z.object({
    results: z.array(z.looseObject({ scenario: z.string(), seconds: z.object({ last: z.number() }) })),
  })
  const text = readFileSync(join(import.meta.dirname, '../../../bench/results', file), 'utf8')
  const burst = resultsSchema.parse(JSON.parse(text)).results.find(({ scenario }) => scenario === 'burst')
  assert.ok(burst !== undefined)
  return burst.seconds.last
}

describe('shoal plan', () => {
  it('says what eight real hosts took, but for their CPU', async () => {
    const fleet = ['--hosts', '8', '--size', '64MiB', '--gbps', '0.024', '--cache-gbps', '0.096', '--rtt', '1']
    const { seconds, originCopies } = await plan(...fleet)
    const real = measured('fleet-8-k4.json')
    assert.ok(Math.abs(seconds.last - real) < NEAR * real, `planned ${seconds.last} s, measured ${real} s`)
    assert.equal(originCopies, 1)
  })

  it('names the part of the way that limits a rollout', async () => {
    const fast = ['--cache-gbps', '10', '--origin-gbps', '10']
    const limits: readonly (readonly [limitedBy: string, args: readonly string[]])[] = [
      ['hosts', fast],
      ['origin', ['--cache-gbps', '10', '--origin-gbps', '0.5']],
      ['caches', ['--cache-gbps', '0.5', '--origin-gbps', '10']],
      ['parents', ['--cache-gbps', '2', '--origin-gbps', '10', '--regions', '3']],
    ]
    for (const [limitedBy, args] of limits) {
      const answer = await plan(...SMALL, ...args)
      assert.equal(answer.limitedBy, limitedBy)
      assert.equal(answer.limits[limitedBy], answer.atBestSeconds)
      assert.ok(answer.seconds.last >= answer.atBestSeconds)
    }
  })

  it('reads the origin once, not at all from warm caches, and without Shoal once for each host', async () => {
    const slow = [...SMALL, '--cache-gbps', '10', '--origin-gbps', '0.1']
    const cold = await plan(...slow)
    assert.deepEqual([cold.originBytes, cold.without.originBytes], [16 * MIB, 12 * 16 * MIB])
    assert.ok(cold.without.seconds > 10 * cold.atBestSeconds)
    const warm = await plan(...slow, '--cached')
    assert.deepEqual([warm.originBytes, warm.limitedBy], [0, 'hosts'])
    assert.equal(warm.limits.origin, null)
  })

  it('takes images of more than a gibibyte in proportion', async () => {
    const one = await plan('--hosts', '4', '--size', '1GiB')
    const eight = await plan('--hosts', '4', '--size', '8GiB')
    assert.ok(Math.abs(eight.seconds.last / one.seconds.last - 8) < 1e-6)
    assert.equal(eight.originBytes, 8 * 1024 * MIB)
  })

  it('refuses numbers that are none with exit code 2', async () => {
    for (const args of [
      ['--hosts', '0'],
      ['--size', 'much'],
      ['--gbps', 'fast'],
    ]) {
      const { code, stderr } = await runCommand(['plan', ...args])
      assert.equal(code, 2)
      assert.match(stderr, /must be/)
    }
  })

  it('ends when it is interrupted', async () => {
    const signal = AbortSignal.abort(new DOMException('interrupted', 'AbortError'))
    const stderr = new TextSink()
    const io = { stdout: new TextSink(), stderr, env: {}, signal, setExitCode() {} }
    assert.equal(await runProgram(['plan', ...SMALL], io), 1)
    assert.match(stderr.text, /interrupted/)
  })

  it('does what the lines of the guide to sizing say', async () => {
    const limits = [
      ['plan', /^Limited by +a host's own link/m],
      ['slow origin', /^Limited by +the origin's link/m],
      ['prewarmed', /^Origin +0 B, 0\.00 copies$/m],
      ['regions', /^Origin +64 MiB, 1\.00 copies$/m],
    ] as const
    for (const [block, expected] of limits) {
      const [shoal, ...args] = docsBlock('docs/sizing.md', block).trim().split(' ')
      const { code, stdout, stderr } = await runCommand(args)
      assert.deepEqual([shoal, code], ['shoal', 0], stderr)
      assert.match(stdout, expected)
    }
  })
})

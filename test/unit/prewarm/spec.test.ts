import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { parsePrewarmPatch, parsePrewarmSpec } from '../../../src/prewarm/spec.ts'

describe('a prewarm request', () => {
  it('needs images only; everything else has a default', () => {
    assert.deepEqual(parsePrewarmSpec({ images: ['app:1'] }), {
      images: ['app:1'],
      regions: [],
      select: {},
      hosts: null,
      waves: [{ kind: 'percent', percent: 100 }],
      maxHosts: 0,
      rateBytesPerSec: 0,
      fleetRateBytesPerSec: 0,
      originRateBytesPerSec: 0,
      platforms: [],
      deadlineMs: 0,
      quorumPercent: 100,
      failureBudget: { kind: 'percent', percent: 5 },
      pinMs: 0,
      joinMs: 0,
      load: null,
      priority: 0,
    })
  })

  it('is read as people write it', () => {
    const spec = parsePrewarmSpec({
      images: [`registry.corp:5000/a/b@sha256:${'a'.repeat(64)}`],
      regions: ['eu-1'],
      select: { disk: 'ssd' },
      hosts: '10%',
      waves: ['1', '10%'],
      maxHosts: '50',
      rate: '50MiB',
      fleetRate: '1GB/s',
      originRate: 1000,
      ...{
        platforms: ['linux/amd64', 'all'],
        deadline: '30m',
        quorum: '95%',
        failureBudget: 2,
        pin: '24h',
        join: '1h',
      },
      load: 'docker',
    })
    assert.deepEqual(
      { waves: spec.waves, maxHosts: spec.maxHosts, quorum: spec.quorumPercent, pin: spec.pinMs, load: spec.load },
      {
        waves: [
          { kind: 'count', count: 1 },
          { kind: 'percent', percent: 10 },
          // whoever is left comes last
          { kind: 'percent', percent: 100 },
        ],
        maxHosts: 50,
        quorum: 95,
        pin: 86_400_000,
        load: 'docker',
      },
    )
    assert.deepEqual(
      [spec.rateBytesPerSec, spec.fleetRateBytesPerSec, spec.originRateBytesPerSec],
      [50 * 1024 * 1024, 1_000_000_000, 1000],
    )
  })

  it('that is wrong names what is wrong', () => {
    const cases: readonly [request: unknown, message: RegExp][] = [
      [{}, /^images /],
      [{ images: [] }, /^images name at least one image/],
      [{ images: ['UPPER/Case'] }, /^images\.0 .*no repository name/],
      [{ images: ['a'], regoins: ['x'] }, /^regoins is not known$/],
      [{ images: ['a'], waves: ['1', 'x'] }, /^waves\.1 "x" is not a number of hosts or a percentage/],
      [{ images: ['a'], waves: [] }, /^waves is empty/],
      [{ images: ['a'], quorum: '95' }, /^quorum "95" is not a percentage/],
      [{ images: ['a'], quorum: '101%' }, /^quorum "101%" is not a percentage/],
      [{ images: ['a'], rate: 'fast' }, /^rate "fast" is not a rate such as 100MiB/],
      [{ images: ['a'], deadline: 'tomorrow' }, /^deadline "tomorrow" is not a duration/],
      [{ images: ['a'], select: { 'bad label!': 'x' } }, /^select\.bad label! "bad label!" is no label name$/],
      [{ images: ['a'], platforms: ['amd64'] }, /^platforms\.0 "amd64" is neither os\/arch\[\/variant\] nor all$/],
      [{ images: ['a'], load: 'rkt' }, /^load "rkt" is neither docker nor containerd$/],
      [{ images: ['a'], maxHosts: -1 }, /^maxHosts -1 is not a number of hosts/],
      [{ images: ['a'], priority: 'high' }, /^priority "high" is no priority: a whole number from -100 to 100/],
      [{ images: ['a'], priority: '101' }, /^priority "101" is no priority/],
      [{ images: ['a'], priority: 0.5 }, /^priority 0.5 is no priority/],
      [{ images: ['a'], hosts: 0 }, /^hosts 0 chooses no host$/],
      [{ images: ['a'], hosts: '0%' }, /^hosts "0%" chooses no host$/],
      [{ images: ['a'], waves: ['0', '10%'] }, /^waves\.0 "0" chooses no host$/],
      [{ images: ['a'], waves: ['50%', '10%'] }, /^waves\.1 "10%" is fewer hosts than a wave before it/],
      [{ images: ['a'], waves: ['5', '10%', '2'] }, /^waves\.2 "2" is fewer hosts/],
      [{ images: ['a'], waves: ['100%', '7'] }, /^waves\.1 "7" is fewer hosts/],
      ['nothing', /^the request /],
      [{ images: Array.from({ length: 257 }, (_, i) => `a/${i}`) }, /^images are more than the 256 of one job/],
      [
        { images: Array.from({ length: 200 }, (_, i) => `a/${'x'.repeat(220)}${i}`) },
        /^images have longer names together/,
      ],
    ]
    for (const [request, message] of cases) {
      assert.throws(
        () => parsePrewarmSpec(request),
        (error) => isShoalError(error, 'PREWARM_INVALID') && message.test(error.message),
        JSON.stringify(request),
      )
    }
  })

  it('can be changed in part, but not in what it is about', () => {
    const patch = parsePrewarmPatch({ state: 'paused', rate: '1MiB' })
    assert.deepEqual([patch.state, patch.rateBytesPerSec, patch.pinMs], ['paused', 1024 * 1024, undefined])
    for (const wrong of [{ images: ['b'] }, { state: 'done' }, { regions: ['x'] }]) {
      assert.throws(
        () => parsePrewarmPatch(wrong),
        (error) => isShoalError(error, 'PREWARM_INVALID'),
      )
    }
  })
})

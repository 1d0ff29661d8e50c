import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { GuardInput } from '../../../bench/fleet/guards.ts'
import { checkGuards } from '../../../bench/fleet/guards.ts'
import type { FleetBenchOptions } from '../../../bench/fleet/options.ts'
import { resultObject, resultText } from '../../../bench/fleet/report.ts'
import type { RunResult } from '../../../bench/fleet/result.ts'
import { seriesOf, timesOf } from '../../../bench/fleet/result.ts'
import { MACHINE } from './machine.ts'

const OPTIONS: FleetBenchOptions = {
  hosts: 2,
  mbps: 24,
  cacheMbps: 96,
  originMbps: 96,
  sizeBytes: 1024,
  layers: 1,
  scenarios: ['burst'],
  baselines: [],
  runs: 1,
  json: 'result.json',
}

function runOf(last: number, valid = true): RunResult {
  return {
    scenario: 'burst',
    hosts: 2,
    mbps: 24,
    cacheMbps: 96,
    originMbps: 96,
    bytes: 1024,
    layers: 1,
    calibratedMbps: 22.9,
    calibratedCacheMbps: 91.8,
    ...timesOf({ seconds: [last / 2, last], last, bound: 10 }),
    originBytes: 1024,
    originRatio: 1,
    originRequests: 5,
    received: { peer: 1024, home: 1024, parent: 0, origin: 1024 },
    cpu: { busy: 0.5, softirq: 0, foreign: 0, agentSeconds: 1, cacheSeconds: 1 },
    rssMiB: { max: 100, cache: 100 },
    scrapeMs: { agent: { p50: 1, p99: 2 }, cache: { p50: 1, p99: 2 } },
    eventLoopP99Ms: 12,
    timeline: { everyMs: 500, down: [{ link: 'host-1', shares: [0.25, 1, 0.9, 0.1] }], up: [] },
    extra: { killed: 1 },
    guards: [{ guard: 'CPU busy', value: valid ? 0.5 : 0.9, limit: 0.7, holds: valid }],
    valid,
  }
}

function guardInput(changes: Partial<GuardInput['cpu']> = {}, hostRate = 100): GuardInput {
  const busiestProcess = { name: 'cache', cores: 0.3 }
  return {
    cpu: { busy: 0.4, softirq: 0.05, foreign: 0.01, busiestProcess, seconds: {}, ...changes },
    calibration: { host: hostRate, spread: [hostRate - 1, hostRate + 1], cache: 400 },
    expectedHostRate: 100,
    mostOverlimits: 10,
    eventLoopP99Ms: 12,
  }
}

const broken = (input: GuardInput): string[] => checkGuards(input).flatMap(({ guard, holds }) => (holds ? [] : [guard]))

describe('guards', () => {
  it('hold in a run that the network limited', () => {
    assert.deepEqual(broken(guardInput()), [])
  })

  it('name what limited a run instead', () => {
    assert.deepEqual(broken(guardInput({ busy: 0.71 })), ['CPU busy'])
    assert.deepEqual(broken(guardInput({ softirq: 0.31 })), ['CPU in softirq'])
    assert.deepEqual(broken(guardInput({ foreign: 0.2 })), ['CPU used by others'])
    assert.deepEqual(broken(guardInput({ busiestProcess: { name: 'cache', cores: 0.9 } })), ['cores used by cache'])
    assert.deepEqual(broken(guardInput({}, 90)), ['calibration off the expected rate'])
    assert.deepEqual(broken({ ...guardInput(), mostOverlimits: 0 }), ['links were limited by their shaper'])
    assert.deepEqual(broken({ ...guardInput(), eventLoopP99Ms: 200 }), ['event loop p99, ms'])
    assert.deepEqual(broken({ ...guardInput(), eventLoopP99Ms: undefined }), [])
  })
})

describe('results', () => {
  it('compare the last host with the bound', () => {
    const { seconds, ratio } = timesOf({ seconds: [3, 1, 2, 12], last: 12, bound: 10 })
    assert.deepEqual(seconds, { p50: 2, p99: 12, last: 12 })
    assert.equal(ratio, 1.2)
  })

  it('of a series are those of its median run, invalid runs left out', () => {
    const series = seriesOf([runOf(30, false), runOf(12), runOf(11), runOf(10)])
    assert.equal(series.seconds.last, 11)
    assert.equal(series.runs.length, 4)
    assert.equal(seriesOf([runOf(30, false)]).valid, false)
  })

  it('carry machine and options, and a single one is at the top of the file', () => {
    const one = resultObject(MACHINE, OPTIONS, [seriesOf([runOf(11)])])
    assert.equal(one.ratio, 1.1)
    assert.deepEqual(one.machine, MACHINE)
    assert.equal('json' in (one.options as object), false)
    const two = resultObject(MACHINE, OPTIONS, [seriesOf([runOf(11)]), seriesOf([runOf(12)])])
    assert.equal('ratio' in two, false)
    assert.equal((two.results as unknown[]).length, 2)
  })

  it('print a table that says which runs are none', () => {
    const good = resultText(MACHINE, [seriesOf([runOf(11)])])
    assert.match(good, /burst .*11\.00.*1\.100.*1\.000x/)
    assert.doesNotMatch(good, /INVALID/)
    assert.match(resultText(MACHINE, [seriesOf([runOf(11, false)])]), /INVALID: CPU busy: 0\.900, limit 0\.7/)
  })
})

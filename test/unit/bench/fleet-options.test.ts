import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CommanderError } from 'commander'
import { BASELINES, SCENARIOS } from '../../../bench/fleet/names.ts'
import type { FleetBenchOptions } from '../../../bench/fleet/options.ts'
import { benchCommand } from '../../../bench/fleet/options.ts'
import { plainPlan, spacedSizes } from '../../../bench/fleet/plan.ts'
import { SCENARIO_TABLE } from '../../../bench/fleet/scenarios/index.ts'
import { parsedOptions } from './parsed.ts'

function parse(...args: string[]): Promise<FleetBenchOptions> {
  return parsedOptions(benchCommand, args)
}

describe('bench:fleet options', () => {
  it('default to a burst of 16 hosts', async () => {
    assert.deepEqual(await parse(), {
      hosts: 16,
      mbps: 24,
      cacheMbps: 96,
      originMbps: 96,
      sizeBytes: 64 * 1024 * 1024,
      layers: 4,
      scenarios: ['burst'],
      baselines: [],
      runs: 1,
      json: undefined,
    })
  })

  it('take lists of names, and all', async () => {
    assert.deepEqual((await parse('--scenario', 'warm,no-tier')).scenarios, ['warm', 'no-tier'])
    assert.deepEqual((await parse('--scenario', 'all')).scenarios, SCENARIOS)
    assert.deepEqual((await parse('--baseline', 'all')).baselines, BASELINES)
  })

  it('take sizes and rates', async () => {
    const { sizeBytes, mbps, hosts } = await parse('--size', '16MiB', '--mbps', '12.5', '--hosts', '8')
    assert.deepEqual([sizeBytes, mbps, hosts], [16 * 1024 * 1024, 12.5, 8])
  })

  it('refuse what makes no sense', async () => {
    const wrong: readonly (readonly string[])[] = [
      ['--hosts', '1'],
      ['--hosts', '65'],
      ['--hosts', 'many'],
      ['--mbps', '0'],
      ['--size', '12'],
      ['--size', 'large'],
      ['--layers', '0'],
      ['--runs', '0'],
      ['--scenario', 'burst,quiet'],
      ['--baseline', 'kraken'],
      ['--unknown'],
    ]
    for (const args of wrong) await assert.rejects(parse(...args), CommanderError, args.join(' '))
  })
})

describe('plans', () => {
  it('of the plain scenario are what the options say', async () => {
    const options = await parse('--hosts', '3', '--size', '9MiB', '--layers', '3')
    const plan = plainPlan(options)
    assert.deepEqual(plan.hosts, Array(3).fill({ mbps: 24, segment: 'a' }))
    assert.deepEqual(plan.layerSizes, Array(3).fill(3 * 1024 * 1024))
  })

  it('of scenarios add or slow down the hosts they need', async () => {
    const options = await parse()
    const hostsOf = (name: keyof typeof SCENARIO_TABLE): readonly { mbps: number; segment: string }[] =>
      SCENARIO_TABLE[name].plan(options).hosts
    assert.equal(hostsOf('churn').length, 18)
    assert.equal(hostsOf('tiny').length, 2)
    assert.equal(hostsOf('slow').filter(({ mbps }) => mbps === 2.4).length, 2)
    assert.equal(hostsOf('wan').filter(({ segment }) => segment === 'b').length, 8)
  })

  it('space sizes evenly by factor, ends included', () => {
    assert.deepEqual(spacedSizes(4, 1, 1000), [1, 10, 100, 1000])
  })
})

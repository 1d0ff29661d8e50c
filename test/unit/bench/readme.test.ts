import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { PAGES, replaceBlock, resultsBlock } from '../../../bench/readme/block.ts'
import { burstPicture, PICTURE_FILE, picturedBurst } from '../../../bench/readme/burst-picture.ts'
import { fleetSection } from '../../../bench/readme/fleet-table.ts'
import { simGoal } from '../../../bench/readme/goals.ts'
import { hostSection } from '../../../bench/readme/host-table.ts'
import { prewarmSection } from '../../../bench/readme/prewarm-table.ts'
import type { FleetFile, FleetRow, HostFile, Named, PrewarmFile, SimFile } from '../../../bench/readme/results.ts'
import { readResults } from '../../../bench/readme/results.ts'
import { simSection } from '../../../bench/readme/sim-table.ts'
import { worldsSection } from '../../../bench/readme/worlds-table.ts'
import { MACHINE } from './machine.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')

const machine = { ...MACHINE, commit: 'abc123', date: '2020-01-02T03:04:05.000Z' }

function fleetRow(scenario: string, changes: Partial<FleetRow> = {}): FleetRow {
  return {
    scenario,
    hosts: 8,
    mbps: 24,
    cacheMbps: 96,
    originMbps: 96,
    bytes: 64 * 1024 ** 2,
    layers: 4,
    seconds: { p50: 11, last: 12 },
    bound: 10,
    ratio: 1.2,
    originRatio: 1,
    originRequests: 21,
    extra: {},
    cpu: { busy: 0.6 },
    rssMiB: { max: 200 },
    scrapeMs: { agent: { p99: 24.4 }, cache: { p99: 60 } },
    valid: true,
    runs: [{ ratio: 1.2, valid: true }],
    guards: [{ guard: 'CPU busy', value: 0.6, limit: 0.7, holds: true }],
    ...changes,
  }
}

function fleetFile(results: FleetRow[], failures: FleetFile['failures'] = []): Named<FleetFile> {
  return { bench: 'fleet', file: 'f.json', machine, results, failures }
}

function simFile(options: Partial<SimFile['options']> = {}, finished = true): Named<SimFile> {
  const plain = { gbps: 10, regions: 1, cacheRatio: 8, layers: 1, zones: 1, churn: 0, slow: 0, dead: 0, rtt: 0.3 }
  return {
    bench: 'sim',
    file: 's.json',
    machine,
    options: { ...plain, ...options },
    finished,
    hosts: 300,
    bytes: 1024 ** 3,
    virtualSeconds: { p50: 1, last: 1.1, lastStaying: 1.1 },
    bound: 1,
    ratio: 1.1,
    originRatio: 1,
  }
}

function hostFile(valid: boolean): Named<HostFile> {
  const one = { median: 1, least: 0.9, most: 1.2 }
  const part = { part: 'SHA-256', mibPerSecond: one, cpuSecondsPerGiB: one }
  const agent = {
    channel: 'tls',
    ratio: 1.5,
    firstByteMs: 10,
    firstByteP99Ms: 20,
    firstBytes: 40,
    rssMiB: 200,
    runs: 3,
    valid,
    agentThread: { name: 'main', cpuSecondsPerGiB: 0.75 },
    cacheThread: { name: 'x', cpuSecondsPerGiB: 0.5 },
    coresUsed: 1.5,
    cacheCpuSecondsPerGiB: 1,
    spread: { mibPerSecond: one, cpuSecondsPerGiB: one },
  }
  const micro = [{ subject: 'a | b', p50Us: 0.12345, p99Us: 1234.5, perSecond: 1, samples: 30 }]
  return {
    bench: 'host',
    file: 'h.json',
    machine,
    options: { sizeBytes: 1024 ** 3, runs: 3 },
    fileSystem: 'ext4',
    floor: { cpuSecondsPerGiB: 2, mibPerSecond: 512, parts: [part] },
    agents: [agent],
    pieceChannels: [],
    micro,
  }
}

function prewarmFile(): Named<PrewarmFile> {
  const rates = { received: { frames: 0.5, bytes: 1234 }, sent: { frames: 0.25, bytes: 100 } }
  return {
    bench: 'prewarm',
    file: 'p.json',
    machine,
    hosts: 10_000,
    blobs: 200,
    states: 2_000_000,
    job: { state: 'done', hosts: { ready: 10_000 } },
    options: { heldPercent: 90, maxHosts: 2000 },
    perHostSecond: { idle: rates, job: rates, most: rates, content: rates },
    messagesPerHost: rates,
    kibPerLink: 200,
    bytesPerState: 9.6,
    cpuMsPerLink: 5,
    cpuSeconds: { link: 50, job: 90 },
    rssMiB: { alone: 100, linked: 2000, most: 2500, after: 2100, left: 300 },
  }
}

describe('pages with results', () => {
  it('show the picture that is made of the first valid burst whose links were looked at', () => {
    const drawn = picturedBurst(readResults(join(ROOT, 'bench', 'results')).fleet)
    const page = readFileSync(join(ROOT, 'docs', 'benchmarks.md'), 'utf8')
    assert.equal(page.includes('](burst.svg)'), drawn !== undefined)
    if (drawn !== undefined) assert.equal(readFileSync(join(ROOT, PICTURE_FILE), 'utf8'), burstPicture(drawn))
  })

  for (const [file, block] of Object.entries(PAGES)) {
    it(`${file} has what bench/results says: npm run bench:readme writes it`, () => {
      const page = readFileSync(join(ROOT, file), 'utf8')
      assert.equal(replaceBlock(page, block(readResults(join(ROOT, 'bench', 'results')))), page)
    })
  }

  it('are left alone outside of the markers, and refused without them', () => {
    const page = 'a\n<!-- results:start -->\nold\n<!-- results:end -->\nb\n'
    assert.equal(replaceBlock(page, 'new'), 'a\n<!-- results:start -->\nnew\n<!-- results:end -->\nb\n')
    assert.throws(() => replaceBlock('a\nb\n', 'new'), /results:start/)
    assert.throws(() => replaceBlock('<!-- results:end --><!-- results:start -->', 'new'), /results:start/)
    assert.throws(() => replaceBlock(page + page, 'new'), /once each/)
  })
})

describe('the picture of a burst', () => {
  const timeline = {
    everyMs: 500,
    down: [{ link: 'host-1', shares: [0, 1, 1] }],
    up: [{ link: 'cache', shares: [1, 1, 0.25] }],
  }

  it('is of a valid run whose links were looked at, and of no other', () => {
    const invalid = fleetRow('burst', { valid: false, timeline })
    const blind = fleetRow('burst')
    assert.equal(picturedBurst([fleetFile([fleetRow('late', { timeline }), invalid, blind])]), undefined)
    assert.equal(picturedBurst([fleetFile([invalid]), fleetFile([fleetRow('burst', { timeline })])])?.valid, true)
  })

  it('has a line a host from no piece to all, beside the bound, and a strip a link', () => {
    const svg = burstPicture({ ...fleetRow('burst'), timeline })
    assert.match(svg, /8 hosts, 512 pieces of 128 KiB: the last host ends at 1\.200 of the bound/)
    const [bound, host] = [...svg.matchAll(/<polyline points="([^"]+)"/g)].map(([, points]) => points!.split(' '))
    assert.equal(bound?.length, 2)
    assert.equal(host?.length, 4)
    assert.equal(host?.[0], host?.[0]?.replace(/,.*/, `,${bound?.[0]?.split(',')[1]}.0`))
    assert.equal(svg.match(/ fill-opacity=/g)?.length, 6)
    assert.match(svg, />host-1 down<.*>cache up</s)
  })
})

describe('result tables', () => {
  it('never show measured and simulated figures together', () => {
    const block = resultsBlock({
      fleet: [fleetFile([fleetRow('burst')])],
      sim: [simFile()],
      host: [hostFile(true)],
      prewarm: [prewarmFile()],
    })
    const [, measured, simulated, host, prewarm] = block.split('\n### ')
    assert.match(measured ?? '', /^Measured: a fleet.*f\.json/s)
    assert.match(simulated ?? '', /^Simulated.*s\.json/s)
    assert.match(host ?? '', /^Measured: one host.*h\.json/s)
    assert.match(prewarm ?? '', /^Measured: a prewarm job at its cache.*p\.json/s)
    assert.doesNotMatch(measured ?? '', /s\.json|h\.json/)
    assert.doesNotMatch(simulated ?? '', /f\.json|h\.json/)
  })

  it('say where and when, and what the goal is', () => {
    const section = fleetSection(fleetFile([fleetRow('burst')]))
    assert.match(section, /commit abc123, 2020-01-02, 2 cores \(a processor\), 24 GiB/)
    assert.match(
      section,
      /\| burst: .* \| 8 \| 12\.0 \| 10\.0 \| 1\.20 \| ≤ 1\.10 \| - \| 1\.000 \| 21 \| 60 % \| 200 \| 24, 60 \|/,
    )
  })

  it('say what straight from the origin would have taken, where that is the measure', () => {
    const section = fleetSection(fleetFile([fleetRow('tiny', { extra: { overDirect: 1.04 } })]))
    assert.match(section, /\| tiny: .* \| 1\.20 \| - \| 1\.04 \(≤ 1\.05\) \| 1\.000 \|/)
    const extra = { overDirect: 0.98, rangeOverDirect: 1.04 }
    const lazy = fleetSection(fleetFile([fleetRow('lazy-start', { extra })]))
    assert.match(lazy, /\| lazy-start: .* \| 0\.98 \(≤ 1\.00\), a range 1\.04 \(≤ 2\.00\) \| 1\.000 \|/)
  })

  it('draw how full the links were in a burst, where that was looked at', () => {
    const timeline = { everyMs: 500, down: [{ link: 'host-1', shares: [0.5, 1, 0] }], up: [] }
    const section = fleetSection(fleetFile([fleetRow('burst', { timeline }), fleetRow('late', { timeline })]))
    assert.equal(section.split('```text').length, 2)
    assert.match(
      section,
      /unused for 0\.25 s at the start, 0\.00 s in the middle, 0\.50 s at the end\nhost-1 down ▄█\n```$/,
    )
    assert.doesNotMatch(fleetSection(fleetFile([fleetRow('burst')])), /```/)
  })

  it('say which runs are none, and why', () => {
    const guards = [{ guard: 'CPU busy', value: 0.91, limit: 0.7, holds: false }]
    const section = fleetSection(fleetFile([fleetRow('burst', { valid: false, guards })]))
    assert.match(section, /invalid: CPU busy 0\.91, limit 0\.7 \[1\.20\]/)
    const failed = fleetSection(fleetFile([], [{ scenario: 'churn', error: 'no' }]))
    assert.match(failed, /\| churn: .* \| failed \| - /)
    assert.match(simSection([simFile({}, false)]), /invalid: did not finish/)
    assert.match(
      hostSection(hostFile(false)),
      /agent\*\*, pieces by tls \| .* \| invalid: others used the machine \[1\.50\]/,
    )
    assert.match(hostSection(hostFile(true)), /agent\*\*, pieces by tls \| .* \| 1\.50 \| ≤ 1\.60 \|/)
    assert.match(
      hostSection(hostFile(true)),
      /goal ≤ 0\.8.*\n.*\n\| pieces by tls \| 0\.75 \(main\) \| 0\.50 \(x\) \| 1\.50 \|/,
    )
  })

  it('set a baseline against the bound of what it stands in for', () => {
    const direct = fleetRow('direct', {
      seconds: { p50: 20, last: 21 },
      bound: 20,
      ratio: 1.05,
      runs: [{ ratio: 1.05, valid: true }],
    })
    const section = fleetSection(fleetFile([fleetRow('burst'), direct]))
    assert.match(section, /\| baseline direct: .* \| 21\.0 \| 10\.0 \| 2\.10 \| - \|/)
  })

  it('show the spread of several runs', () => {
    const runs = [1.1, 1.2, 1.3].map((ratio) => ({ ratio, valid: true }))
    assert.match(fleetSection(fleetFile([fleetRow('burst', { runs })])), /\| 1\.20 \(1\.10-1\.30\) \|/)
  })

  it('describe a swarm by what is unusual about it', () => {
    const text = simSection([simFile({ dead: 0.05, layers: 4 })])
    assert.match(
      text,
      /\| 1 GiB at 10 Gb\/s, cache 8x a host, 4 layers, 5 % accept and never send \| 300 \| 1\.10 \| ≤ 1\.35 \|/,
    )
    assert.equal(simGoal(simFile({ churn: 0.05 })), undefined)
    assert.equal(simGoal(simFile({ dead: 0.1 })), undefined)
    assert.equal(simGoal(simFile({ cacheRatio: 1 })), 1.1)
    assert.equal(simGoal({ ...simFile({}), hosts: 1000 }), 1.06)
  })

  it('say what a job costs its cache, by host and second, and nothing of how long it took', () => {
    const section = prewarmSection(prewarmFile())
    assert.match(
      section,
      /One cache, 10 000 hosts, 200 blobs: 2 000 000 \(host, blob\) states; 2 000 at a time, 90 % of the blobs there before; 10 000 of/,
    )
    assert.match(
      section,
      /\| job \(messages, pings\), .* \| 0\.50 \| 0\.25 \| 1 234 \| 100 \| ≤ 3 messages, both ways \|/,
    )
    assert.match(section, /\| 100 \| 2000 \| 2500 \| 2100 \| 300 \| 200 \| 10 \| 5\.0 \| 9\.0 \|/)
  })

  it('set a burst that was measured beside the same one simulated, and no other', () => {
    const same = { gbps: 0.0229, cacheRatio: 4, originRatio: 4, layers: 4 }
    const sim = { ...simFile(same), hosts: 8, bytes: 64 * 1024 ** 2 }
    const section = worldsSection([fleetFile([fleetRow('burst'), fleetRow('warm')])], [sim, simFile()])
    assert.match(section, /\| 64 MiB at 24 Mb\/s, cache 4x a host \| 8 \| 1\.200 \| 1\.100 \| 1\.091 \|/)
    assert.equal(section.split('\n').length, 3)
    for (const other of [
      { ...sim, hosts: 16 },
      { ...simFile({ ...same, gbps: 0.02 }), hosts: 8, bytes: sim.bytes },
    ]) {
      assert.equal(worldsSection([fleetFile([fleetRow('burst')])], [other]), '')
    }
  })

  it('survive what would break a table', () => {
    assert.match(hostSection(hostFile(true)), /\| a \\\| b \| 0\.123 \| 1235 \|/)
  })
})

describe('results', () => {
  it('of unknown kind are refused by name', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'shoal-test-'))
    try {
      await writeFile(join(directory, 'x.json'), JSON.stringify({ machine }))
      assert.throws(() => readResults(directory), /x\.json.*bench/s)
      await writeFile(join(directory, 'x.json'), JSON.stringify(hostFile(true)))
      assert.deepEqual(
        readResults(directory).host.map(({ file }) => file),
        ['x.json'],
      )
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})

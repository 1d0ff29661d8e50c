import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { microResult } from '../../../bench/host/micro/sample.ts'
import type { HostBenchOptions } from '../../../bench/host/options.ts'
import { hostCommand } from '../../../bench/host/options.ts'
import { resultObject, resultText } from '../../../bench/host/report.ts'
import type { AgentRun, HostResult } from '../../../bench/host/result.ts'
import { agentResult, floorOf, partResult } from '../../../bench/host/result.ts'
import type { Cost } from '../../../bench/host/tasks.ts'
import { processCpuSeconds, ThreadMeter } from '../../../bench/support/cpu-usage.ts'
import { MACHINE } from './machine.ts'
import { parsedOptions } from './parsed.ts'
import { useCpu } from './use-cpu.ts'

const MIB = 1024 * 1024
const BYTES = 512 * MIB
const OPTIONS: HostBenchOptions = {
  sizeBytes: BYTES,
  runs: 3,
  channels: ['tls', 'stream'],
  parts: ['agent'],
  directory: '/tmp',
  json: 'r.json',
}

const cost = (seconds: number, user: number, system: number): Cost => ({ seconds, cpu: { user, system } })

function agentRun(user: number, foreign = 0): AgentRun {
  return {
    bytes: BYTES,
    agent: cost(2, user, 0.5),
    cacheCpu: { user: 0.25, system: 0.25 },
    agentThread: { name: 'main', seconds: user },
    cacheThread: { name: 'main', seconds: 0.25 },
    firstByteMs: [10, 20],
    rssMiB: 100 + user,
    foreign,
  }
}

function parsed(...args: string[]): Promise<HostBenchOptions> {
  return parsedOptions(hostCommand, args)
}

describe("a part's cost", () => {
  it('is per GiB, the median of its runs, with the least and the most', () => {
    const part = partResult('x', BYTES, [cost(1, 1, 0.5), cost(2, 2, 0.5), cost(4, 0.5, 0.5)])
    assert.deepEqual(part.cpuSecondsPerGiB, { median: 3, least: 2, most: 5 })
    assert.deepEqual(part.mibPerSecond, { median: 256, least: 128, most: 512 })
    assert.deepEqual([part.userSecondsPerGiB, part.systemSecondsPerGiB], [2, 1])
  })

  it('sums up to the floor', () => {
    const part = partResult('x', BYTES, [cost(1, 0.5, 0.5)])
    const floor = floorOf([part, part])
    assert.equal(floor.cpuSecondsPerGiB, 4)
    assert.equal(floor.mibPerSecond, 256)
  })
})

describe("an agent's result", () => {
  const floor = floorOf([partResult('x', BYTES, [cost(1, 0.5, 0.5)])])

  it('is compared with the floor', () => {
    const result = agentResult('tls', [agentRun(1), agentRun(2), agentRun(1.5)], floor)
    assert.equal(result.cpuSecondsPerGiB, 4)
    assert.equal(result.ratio, 2)
    assert.equal(result.mibPerSecond, 256)
    assert.equal(result.cacheCpuSecondsPerGiB, 1)
    assert.equal(result.rssMiB, 102)
    assert.deepEqual(result.agentThread, { name: 'main', cpuSecondsPerGiB: 3 })
    assert.deepEqual(result.cacheThread, { name: 'main', cpuSecondsPerGiB: 0.5 })
    assert.equal(result.coresUsed, 1.25)
    assert.deepEqual([result.firstByteMs, result.firstByteP99Ms, result.firstBytes], [10, 20, 6])
    assert.equal(result.valid, true)
  })

  it('is none when something else used the machine', () => {
    assert.equal(agentResult('tls', [agentRun(1, 0.5), agentRun(1, 0.11)], floor).valid, false)
  })

  it('is of the undisturbed runs where there are any', () => {
    const { valid, runs, cpuSecondsPerGiB } = agentResult('tls', [agentRun(9, 0.5), agentRun(1)], floor)
    assert.deepEqual([valid, runs, cpuSecondsPerGiB], [true, 1, 3])
  })

  it('is at the top of the file by its first channel, beside all of them', () => {
    const agents = [agentResult('tls', [agentRun(1)], floor), agentResult('stream', [agentRun(9, 0.5)], floor)]
    const result: HostResult = { fileSystem: 'ext4', floor, agents, pieceChannels: [], micro: [] }
    const file = resultObject(MACHINE, OPTIONS, result)
    assert.deepEqual([file.bench, file.channel, file.ratio], ['host', 'tls', 1.5])
    assert.deepEqual(file.agents, agents)
    assert.deepEqual(file.floor, floor)
    assert.equal(JSON.stringify(file).includes('/tmp'), false)
    const text = resultText(MACHINE, OPTIONS, result)
    assert.match(text, /by tls .* 2\.00 main +1\.00 +0\.50 main/)
    assert.match(text, /agent, by tls .* 3\.00 .* 1\.50$/m)
    assert.match(text, /agent, by stream: INVALID: CPU used by others 0\.500, limit 0\.1/)
    assert.doesNotMatch(text, /agent, by tls: INVALID/)
  })
})

describe('micro results', () => {
  it('are per operation', () => {
    const result = microResult({ subject: 'x', operations: 4, bytesEach: MIB }, [8, 4, 40])
    assert.deepEqual([result.p50Us, result.p99Us, result.perSecond, result.mibPerSecond], [2000, 10_000, 500, 500])
  })
})

describe('the command line of bench:host', () => {
  it('measures everything by TLS when nothing is said', async () => {
    const { channels, parts, sizeBytes, runs } = await parsed()
    assert.deepEqual([channels, parts, sizeBytes, runs], [['tls'], ['agent', 'piece-channel', 'micro'], 1024 * MIB, 3])
  })

  it('puts tls first, in whatever order it is asked for', async () => {
    assert.deepEqual((await parsed('--channel', 'stream,tls')).channels, ['tls', 'stream'])
    assert.deepEqual((await parsed('--channel', 'all')).channels, ['tls', 'stream'])
    assert.deepEqual((await parsed('--channel', 'stream')).channels, ['stream'])
  })

  it('refuses what it does not know', async () => {
    for (const args of [
      ['--channel', 'quic'],
      ['--part', 'agent,all'],
      ['--size', '1MiB'],
      ['--runs', '0'],
    ]) {
      await assert.rejects(parsed(...args), /must be|none of/, args.join(' '))
    }
  })
})

describe("a process's CPU time", () => {
  it('grows with its work, and is an error once it is gone', () => {
    const before = processCpuSeconds(process.pid)
    useCpu(100)
    const after = processCpuSeconds(process.pid)
    assert.ok(after.user + after.system > before.user + before.system)
    assert.throws(() => processCpuSeconds(2 ** 30), /ENOENT/)
  })

  it('is told of the thread that used most of it meanwhile, with its name', () => {
    const meter = ThreadMeter.start(process.pid)
    useCpu(200)
    const { name, seconds } = meter.busiest()
    assert.match(name, /MainThread/)
    assert.ok(seconds > 0)
  })
})

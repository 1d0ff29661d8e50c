import { join } from 'node:path'
import { sleep } from '../../src/base/abort.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { AgentProcess } from '../../src/demo/index.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { digestAlgorithm, digestHex } from '../../src/oci/digest.ts'
import { CpuMeter, peakRssBytes, processCpuSeconds, ThreadMeter } from '../support/cpu-usage.ts'
import { MemoryReserve } from './memory-reserve.ts'
import type { AgentRun } from './result.ts'
import type { HostStage } from './stage.ts'
import { SMALL_WARM_UPS } from './stage.ts'
import type { ChannelKind, CpuSeconds } from './tasks.ts'

const MIB = 1024 * 1024
/** Rare enough to cost the daemon nothing that shows. */
const COMMIT_POLL_MS = 100
const COMMIT_TIMEOUT_MS = 60_000

/**
 * One agent's life, with an empty store and a cache that has everything: an image to warm up with, small layers one after
 * another for the first byte, then the blob that is measured, until it is committed.
 */
export async function measureAgent(stage: HostStage, kind: ChannelKind, signal: AbortSignal): Promise<AgentRun> {
  await using agent = await stage.startAgent(kind)
  const warmUp = stage.image('warm-up')
  await stage.manifest(agent, warmUp.repository)
  for (const { digest } of warmUp.image.layers) await stage.fetch(agent, warmUp.repository, digest)
  const firstByteMs = await firstBytes(stage, agent)
  await allCommitted(agent, signal)
  const { repository, image } = stage.image('blob')
  const [blob] = image.layers
  if (blob === undefined) throw new ShoalError('UNAVAILABLE', 'the image has no layer')
  await using reserve = await MemoryReserve.take(stage.directory, blob.size, signal)
  const meter = CpuMeter.start(
    new Map([
      ['agent', agent.pid],
      ['cache', stage.cache.pid],
      ['client', stage.clientPid],
      ['origin', stage.originPid],
      ['bench', process.pid],
    ]),
  )
  const before = [processCpuSeconds(agent.pid), processCpuSeconds(stage.cache.pid)] as const
  const [agentThreads, cacheThreads] = [ThreadMeter.start(agent.pid), ThreadMeter.start(stage.cache.pid)]
  reserve.follow(filesOf(agent, blob.digest))
  const startMs = performance.now()
  await stage.manifest(agent, repository)
  const fetched = await stage.fetch(agent, repository, blob.digest)
  const seconds = (performance.now() - startMs) / 1000
  await allCommitted(agent, signal)
  const [agentCpu, cacheCpu] = [since(before[0], agent.pid), since(before[1], stage.cache.pid)]
  const [agentThread, cacheThread] = [agentThreads.busiest(), cacheThreads.busiest()]
  const { foreign } = meter.stop()
  if (fetched.bytes !== blob.size) throw agent.process.failure(`sent ${fetched.bytes} of ${blob.size} bytes`)
  await requireChannel(agent, kind)
  const rssMiB = (peakRssBytes(agent.pid) ?? Number.NaN) / MIB
  return {
    bytes: blob.size,
    agent: { seconds, cpu: agentCpu },
    cacheCpu,
    agentThread,
    cacheThread,
    firstByteMs,
    rssMiB,
    foreign,
  }
}

/** Where the store keeps a blob while it arrives, and then (src/store/FORMAT.md). */
function filesOf({ storeDir }: AgentProcess, digest: Digest): string[] {
  const hex = digestHex(digest)
  const algorithm = digestAlgorithm(digest)
  return [join(storeDir, 'partial', algorithm, hex), join(storeDir, 'blobs', algorithm, hex.slice(0, 2), hex)]
}

/** Milliseconds from request to first byte, of layers that the agent does not have and the cache has. */
async function firstBytes(stage: HostStage, agent: AgentProcess): Promise<number[]> {
  const { repository, image } = stage.image('small')
  const times: number[] = []
  for (const { digest } of image.layers) {
    const { firstByteMs, source } = await stage.fetch(agent, repository, digest)
    if (source === 'local') throw agent.process.failure('had a small layer already')
    times.push(firstByteMs)
  }
  return times.slice(SMALL_WARM_UPS)
}

/** Handing over ends before the last fsync: what that costs belongs to the blob. */
async function allCommitted(agent: AgentProcess, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + COMMIT_TIMEOUT_MS
  for (;;) {
    const metrics = await agent.metrics()
    if (metrics.sum('shoal_transfers_active') === 0 && metrics.sum('shoal_store_bytes', { state: 'partial' }) === 0)
      return
    if (performance.now() > deadlineMs) throw agent.process.failure('did not commit its blobs')
    await sleep(systemClock, COMMIT_POLL_MS, signal)
  }
}

/** Without this, a channel that failed would be measured as the other. */
async function requireChannel(agent: AgentProcess, kind: ChannelKind): Promise<void> {
  const metrics = await agent.metrics()
  const opened = metrics.sum('shoal_piece_channels_total', { kind: 'tls', result: 'ok' })
  if (opened > 0 !== (kind === 'tls')) throw agent.process.failure(`did not receive by ${kind}`)
}

function since(before: CpuSeconds, pid: number): CpuSeconds {
  const now = processCpuSeconds(pid)
  return { user: now.user - before.user, system: now.system - before.system }
}

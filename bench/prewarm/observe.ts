import type { AgentProcess } from '../../src/demo/index.ts'
import { MetricsSnapshot } from '../../src/demo/index.ts'
import { processCpuSeconds, rssBytes } from '../support/cpu-usage.ts'
import type { Direction, FrameKind, Sample, Traffic } from './result.ts'
import { FRAME_KINDS } from './result.ts'

/** Looks at the cache from outside, as a monitoring system would. */
export async function observe(cache: AgentProcess): Promise<Sample> {
  const startedMs = performance.now()
  const metrics = await scrape(cache)
  const endedMs = performance.now()
  const { user, system } = processCpuSeconds(cache.pid)
  return {
    atSeconds: endedMs / 1000,
    traffic: { received: trafficOf(metrics, 'received'), sent: trafficOf(metrics, 'sent') },
    rssBytes: rssBytes(cache.pid) ?? Number.NaN,
    cpuSeconds: user + system,
    eventLoopP99Ms: metrics.sum('nodejs_eventloop_lag_p99_seconds') * 1000,
    scrapeMs: endedMs - startedMs,
  }
}

/** Hosts that the cache is linked to. */
export async function linkedHosts(cache: AgentProcess): Promise<number> {
  return (await scrape(cache)).sum('shoal_peers', { role: 'agent', state: 'linked' })
}

/** However long it takes: that is one of the things to be measured. */
async function scrape(cache: AgentProcess): Promise<MetricsSnapshot> {
  const answer = await fetch(`${cache.adminUrl}/metrics`)
  return new MetricsSnapshot(await answer.text())
}

function trafficOf(metrics: MetricsSnapshot, direction: Direction): Traffic[Direction] {
  const of = (kind: FrameKind): Traffic[Direction][FrameKind] => ({
    frames: metrics.sum('shoal_control_frames_total', { direction, kind }),
    bytes: metrics.sum('shoal_control_bytes_total', { direction, kind }),
  })
  const entries = FRAME_KINDS.map((kind) => [kind, of(kind)] as const)
  return Object.fromEntries(entries) as Traffic[Direction] // one for every kind
}

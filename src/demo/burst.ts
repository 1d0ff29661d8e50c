import { systemClock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import type { PullResult } from '../pull/index.ts'
import type { AgentProcess } from './agent-process.ts'
import type { Fleet, PushedImage, ReceivedBytes } from './fleet.ts'

/** What one host did in a burst. */
export interface HostOutcome {
  readonly name: string
  readonly seconds: number
  readonly mibPerSecond: number
  readonly received: ReceivedBytes
}

/** What a burst took and cost. */
export interface BurstOutcome {
  readonly hosts: number
  /** One host's image: manifest, config and layers. */
  readonly bytes: number
  readonly seconds: { readonly p50: number; readonly last: number }
  /** Delivered to all hosts together until the last one had everything. */
  readonly mibPerSecond: number
  /** By all nodes, caches too. */
  readonly received: ReceivedBytes
  readonly originBytes: number
  readonly originRatio: number
  readonly originRequests: number
  /** Every digest on every host was proven. */
  readonly verified: boolean
}

export interface BurstEvents {
  /** Bytes of the image that a host has handed to its client so far. */
  moved(host: string, bytes: number): void
  finished(host: string, seconds: number): void
}

/**
 * Pulls one image through every agent's mirror at the same moment, as a rollout does. Throws with the log of the host
 * whose pull failed.
 */
export async function runBurst(
  fleet: Fleet,
  { reference, image }: PushedImage,
  events: BurstEvents,
  signal: AbortSignal,
): Promise<{ outcome: BurstOutcome; rows: HostOutcome[] }> {
  const startedAt = systemClock.now()
  const failed = new AbortController()
  const all = AbortSignal.any([signal, failed.signal])
  const pulls = fleet.agents.map(async (agent) => {
    try {
      const result = await pullOn(fleet, agent, reference, events, all)
      events.finished(agent.name, result.seconds)
      return result
    } catch (error) {
      // The first failure stops the others and is the one to tell.
      if (!all.aborted) failed.abort(agent.process.failure(`did not deliver the image: ${errorText(error)}`))
      throw error
    }
  })
  const settled = await Promise.allSettled(pulls)
  all.throwIfAborted()
  const last = (systemClock.now() - startedAt) / 1000
  const results = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  const rows = await hostRows(fleet, results)
  const { bytes: originBytes, requests: originRequests } = await fleet.origin.counters()
  const bytes = image.sizeBytes
  const outcome: BurstOutcome = {
    hosts: results.length,
    bytes,
    seconds: { p50: median(results.map((result) => result.seconds)), last },
    mibPerSecond: (bytes * results.length) / 1024 / 1024 / last,
    received: await fleet.received(),
    originBytes,
    originRatio: originBytes / bytes,
    originRequests,
    verified: results.every((result) => isWhole(result, image)),
  }
  return { outcome, rows }
}

async function pullOn(
  fleet: Fleet,
  agent: AgentProcess,
  reference: string,
  events: BurstEvents,
  signal: AbortSignal,
): Promise<PullResult> {
  const byBlob = new Map<string, number>()
  let moved = 0
  return fleet.pull(agent, reference, {
    signal,
    onProgress({ digest, received }) {
      moved += received - (byBlob.get(digest) ?? 0)
      byBlob.set(digest, received)
      events.moved(agent.name, moved)
    },
  })
}

async function hostRows(fleet: Fleet, results: readonly PullResult[]): Promise<HostOutcome[]> {
  const rows: HostOutcome[] = []
  for (const [index, agent] of fleet.agents.entries()) {
    const result = results[index]
    if (result === undefined) continue
    const { seconds, mibPerSecond } = result
    rows.push({ name: agent.name, seconds, mibPerSecond, received: await fleet.received([agent]) })
  }
  for (const cache of fleet.caches) {
    rows.push({ name: cache.name, seconds: 0, mibPerSecond: 0, received: await fleet.received([cache]) })
  }
  return rows
}

function isWhole(result: PullResult, image: PushedImage['image']): boolean {
  const blobs = new Set(result.blobs.map(({ digest }) => digest))
  return (
    result.digest === image.manifest.digest && [image.config, ...image.layers].every(({ digest }) => blobs.has(digest))
  )
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}

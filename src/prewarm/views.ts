import type { Clock } from '../base/clock.ts'
import { sumOf } from '../base/sum.ts'
import { atMost } from './amount.ts'
import type {
  HostState,
  JobRow,
  Plan,
  PlanSummary,
  PrewarmPlanView,
  PrewarmSpec,
  PrewarmView,
  ReasonGroup,
  RegionCapacity,
  RegionView,
  Share,
  Tally,
} from './interface.ts'
import { HOST_STATES, MOVED_NOTHING } from './shapes.ts'

const MAX_NAMED = 16
const MAX_REASONS = 64
/** Rates are taken over this long. */
const WINDOW_MS = 10_000

/** How fast a job's bytes grow: over a short window, so that it tells of now. */
export class RateWindow {
  readonly #clock: Clock
  readonly #samples: { readonly at: number; readonly bytes: number }[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(bytes: number): void {
    const at = this.#clock.now()
    this.#samples.push({ at, bytes })
    while (this.#samples.length > 2 && at - this.#samples[1]!.at > WINDOW_MS) this.#samples.shift()
  }

  get bytesPerSec(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || last.at <= first.at) return 0
    return Math.max(0, ((last.bytes - first.bytes) * 1000) / (last.at - first.at))
  }
}

/** A job as it is told. */
export function viewOf(row: JobRow, tallies: ReadonlyMap<string, Tally>, rate: number, now: number): PrewarmView {
  // a region that is in no share may have read the origin for those that are
  const names = new Set([...Object.keys(row.shares), ...tallies.keys()])
  const regions = [...names].flatMap((region): RegionView[] => {
    const tally = tallies.get(region) ?? plannedTally(row.shares[region])
    return tally === undefined ? [] : [regionView(region, tally, row.plan)]
  })
  const bytes = bytesOf(row.plan, regions)
  const bytesPerSec = row.state === 'running' ? rate : 0
  const left = bytes.total - bytes.have
  return {
    id: row.id,
    state: row.state,
    reason: row.reason,
    images: imagesOf(row.plan),
    hosts: sumHosts(regions),
    bytes,
    bytesPerSec,
    etaSeconds: bytesPerSec > 0 && left > 0 ? Math.max(left / bytesPerSec, slowest(tallies)) : null,
    // the wall clock may have been set back meanwhile
    seconds: Math.max(0, (row.endedEpochMs ?? now) - row.createdEpochMs) / 1000,
    createdEpochMs: row.createdEpochMs,
    endedEpochMs: row.endedEpochMs,
    wave: { number: row.wave + 1, of: row.spec.waves.length, open: openOf(row, tallies) },
    regions,
    reasons: mergeReasons(tallies.values()),
    absent: row.absent,
    spec: row.spec,
    revision: row.revision,
    orderedEpochMs: row.orderedEpochMs,
  }
}

/** A job is done when its slowest hosts are: the mean of all says nothing of them. */
function slowest(tallies: ReadonlyMap<string, Tally>): number {
  return Math.max(0, ...Array.from(tallies.values(), ({ slowestSeconds }) => slowestSeconds ?? 0))
}

function bytesOf(plan: PlanSummary, regions: readonly RegionView[]): PrewarmView['bytes'] {
  const bytes = { perHost: plan.bytes, total: 0, have: 0, moved: 0, origin: 0 }
  for (const { haveBytes, totalBytes, movedBytes, originBytes } of regions) {
    bytes.total += totalBytes
    bytes.have += haveBytes
    bytes.moved += sumOf(movedBytes)
    bytes.origin += originBytes + movedBytes.origin
  }
  return bytes
}

interface PlanFacts {
  readonly spec: PrewarmSpec
  readonly plan: Plan
  readonly regions: readonly RegionCapacity[]
  readonly absent: readonly string[]
  /** What the caches of the region above all others lack. */
  readonly missingHereBytes: number
}

/** A plan as it is told. */
export function planViewOf({ spec, plan, regions, absent, missingHereBytes }: PlanFacts): PrewarmPlanView {
  const sum = (of: (one: RegionCapacity) => number): number => regions.reduce((all, one) => all + of(one), 0)
  const matching = sum((one) => one.matching)
  const total = spec.hosts === null ? matching : atMost(spec.hosts, matching)
  // regions take from those above them: the origin is read for what none of these has, once
  const missing = Math.min(
    missingHereBytes,
    sum((one) => one.missingBytes),
  )
  return {
    state: 'planned',
    images: imagesOf(plan),
    blobs: plan.blobs.length,
    bytes: {
      perHost: plan.bytes,
      total: plan.bytes * total,
      missing,
      lacking: Math.min(
        plan.bytes * total,
        sum((one) => one.hostsLackBytes),
      ),
    },
    hosts: {
      total,
      withoutRoom: sum((one) => one.withoutRoom),
      roomless: regions.flatMap(({ roomless }) => roomless).slice(0, MAX_NAMED),
    },
    waves: spec.waves.map((wave) => atMost(wave, total)),
    regions,
    absent,
    leastSeconds: leastSeconds(spec, plan, total, missing),
  }
}

/** What the job's own rates and numbers allow at best. */
function leastSeconds(spec: PrewarmSpec, plan: Plan, hosts: number, missingBytes: number): number | null {
  const { rateBytesPerSec, fleetRateBytesPerSec, originRateBytesPerSec, maxHosts } = spec
  let seconds = 0
  let before = 0
  for (const wave of spec.waves) {
    const count = Math.max(0, atMost(wave, hosts) - before)
    before += count
    if (count === 0) continue
    const rounds = maxHosts === 0 ? 1 : Math.ceil(count / maxHosts)
    if (rateBytesPerSec > 0) seconds += (rounds * plan.bytes) / rateBytesPerSec
  }
  if (fleetRateBytesPerSec > 0) seconds = Math.max(seconds, (hosts * plan.bytes) / fleetRateBytesPerSec)
  if (originRateBytesPerSec > 0) seconds = Math.max(seconds, missingBytes / originRateBytesPerSec)
  return seconds === 0 ? null : seconds
}

function imagesOf({ images }: Plan | PlanSummary): PrewarmView['images'] {
  return images.map(({ reference, digest, bytes }) => ({ reference, digest, bytes }))
}

/** What is told of a region that has said nothing yet. */
function plannedTally(share: Share | undefined): Tally | undefined {
  if (share?.planned === undefined) return undefined
  const selected = share.planned
  return {
    selected,
    begun: 0,
    hosts: { waiting: selected, moving: 0, loading: 0, ready: 0, failed: 0, skipped: 0 },
    setAside: 0,
    haveBytes: 0,
    skippedBytes: 0,
    moved: MOVED_NOTHING,
    originBytes: 0,
    reasons: [],
    slowestSeconds: null,
  }
}

function regionView(region: string, tally: Tally, plan: PlanSummary): RegionView {
  return {
    region,
    hosts: { total: tally.selected, ...tally.hosts },
    haveBytes: tally.haveBytes,
    totalBytes: plan.bytes * (tally.selected - tally.hosts.skipped) + tally.skippedBytes,
    movedBytes: tally.moved,
    originBytes: tally.originBytes,
  }
}

function sumHosts(regions: readonly RegionView[]): PrewarmView['hosts'] {
  const sum = { total: 0 } as Record<'total' | HostState, number>
  for (const state of ['total', ...HOST_STATES] as const) {
    sum[state] = regions.reduce((all, { hosts }) => all + hosts[state], 0)
  }
  return sum
}

function openOf(row: JobRow, tallies: ReadonlyMap<string, Tally>): number {
  return Object.entries(row.shares).reduce((all, [region, { open }]) => {
    const selected = tallies.get(region)?.selected ?? 0
    return all + Math.min(selected, open ?? selected)
  }, 0)
}

/** Reasons of all regions: the same ones together. */
function mergeReasons(tallies: Iterable<Tally>): ReasonGroup[] {
  const merged = new Map<string, ReasonGroup>()
  for (const { reasons } of tallies) {
    for (const group of reasons) {
      const key = `${group.state} ${group.reason}`
      const known = merged.get(key)
      const hosts = [...(known?.hosts ?? []), ...group.hosts].slice(0, MAX_NAMED)
      merged.set(key, { ...group, count: group.count + (known?.count ?? 0), hosts })
    }
  }
  return [...merged.values()].sort((a, b) => b.count - a.count).slice(0, MAX_REASONS)
}

import { ShoalError } from '../base/errors.ts'
import type { Order } from '../trust/index.ts'
import { atMost, EVERYBODY, split, splitOneEach, within } from './amount.ts'
import type {
  JobRow,
  JobState,
  Plan,
  PlanSummary,
  PrewarmPatch,
  PrewarmSpec,
  RegionCapacity,
  Share,
  Tally,
} from './interface.ts'

/** How long an ended job can still be looked at. */
const KEPT_MS = 7 * 86_400_000
const MAX_REASON_CHARS = 1000

/** What the caches are ranked by for a plan, which has no id. */
export function imagesKey({ images }: Pick<PrewarmSpec, 'images'>): string {
  return images.join(' ')
}

export function isFinal(state: JobState): boolean {
  return state !== 'running' && state !== 'paused'
}

/** Whether `a` replaces `b`. Two caches may both have changed a job: what breaks the tie only has to be the same everywhere. */
export function isNewer(a: JobRow, b: JobRow): boolean {
  if (a.revision !== b.revision) return a.revision > b.revision
  return a.changedEpochMs > b.changedEpochMs
}

export interface NewJob {
  readonly id: string
  readonly root: string
  readonly spec: PrewarmSpec
  readonly plan: Plan
  /** That began it. */
  readonly order: Order
  readonly orderedEpochMs: number
  /** Of the regions that take part. */
  readonly capacities: readonly RegionCapacity[]
  /** Regions that were to take part and do not answer. */
  readonly absent?: readonly string[]
}

/** A job as it begins: with its first wave open. */
export function createJob(
  { id, root, spec, plan, order, orderedEpochMs, capacities, absent = [] }: NewJob,
  now: number,
): JobRow {
  const matching = capacities.map((one) => one.matching)
  const all = matching.reduce((sum, count) => sum + count, 0)
  const selected = spec.hosts === null ? matching : split(atMost(spec.hosts, all), matching)
  const shares: Record<string, Share> = {}
  for (const [i, { region }] of capacities.entries()) {
    const select = spec.hosts === null ? null : (selected[i] ?? 0)
    shares[region] = { ...closedShare(select), planned: selected[i] ?? 0 }
  }
  const row: JobRow = {
    id,
    root,
    spec,
    plan: summaryOf(plan),
    createdEpochMs: now,
    revision: 1,
    changedEpochMs: now,
    taskRevision: 1,
    orders: [order],
    orderedEpochMs,
    state: 'running',
    reason: null,
    endedEpochMs: null,
    wave: 0,
    shares,
    absent,
  }
  return { ...row, shares: sharesOf(row, new Map(capacities.map(({ region }, i) => [region, selected[i] ?? 0]))) }
}

/** What of a plan is kept in memory with its job. */
export function summaryOf({ images, blobs, bytes }: Plan): PlanSummary {
  const named = images.map(({ reference, digest, bytes: own }) => ({ reference, digest, bytes: own }))
  return { images: named, blobs: blobs.length, bytes }
}

/** Of a region that may not begin with anybody yet. */
export function closedShare(select: number | null): Share {
  return { select, open: 0, maxHosts: 0, rateBytesPerSec: 0, originRateBytesPerSec: 0 }
}

/** The job with a region that was absent when it began; undefined when it takes in nobody any more. */
export function withRegion(row: JobRow, region: string, now: number): JobRow | undefined {
  if (!row.absent.includes(region) || isFinal(row.state) || now >= joinsUntil(row)) return undefined
  const share = closedShare(row.spec.hosts === null ? null : 0)
  const absent = row.absent.filter((other) => other !== region)
  return changed({ ...row, shares: { ...row.shares, [region]: share }, absent }, now)
}

/** When hosts that join are no longer taken in. */
export function joinsUntil({ createdEpochMs, spec }: JobRow): number {
  return createdEpochMs + spec.joinMs
}

/** Until when the job's images are pinned; null when they are not. */
export function pinnedUntil({ createdEpochMs, spec }: JobRow): number | null {
  return spec.pinMs === 0 ? null : createdEpochMs + spec.pinMs
}

function deadlineOf({ createdEpochMs, spec }: JobRow): number {
  return spec.deadlineMs === 0 ? Number.POSITIVE_INFINITY : createdEpochMs + spec.deadlineMs
}

/** A specification with what a change names in it. */
export function applyPatch(spec: PrewarmSpec, { state: _, ...changes }: PrewarmPatch): PrewarmSpec {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined)
  return { ...spec, ...Object.fromEntries(given) }
}

/** Until when what is known of a job is kept. */
export function keptUntil(row: JobRow): number {
  const ended = row.endedEpochMs ?? Number.POSITIVE_INFINITY
  return Math.max(ended + KEPT_MS, row.state === 'done' ? joinsUntil(row) : 0)
}

/** Whether hosts are being told to work: also after the end, for those that join late. */
export function isOpen(row: JobRow, now: number): boolean {
  return row.state === 'running' || (row.state === 'done' && now < joinsUntil(row))
}

/** Whether a job may still move something, or will. */
export function isLive(row: JobRow, now: number): boolean {
  return !isFinal(row.state) || isOpen(row, now)
}

/** The job after a user's change. Throws `PREWARM_IMPOSSIBLE` when it has ended. */
export function patchJob(row: JobRow, patch: PrewarmPatch, now: number): JobRow {
  if (isFinal(row.state)) {
    if (patch.state === row.state) return row
    if (isOpen(row, now)) return patchJoining(row, patch, now)
    throw new ShoalError('PREWARM_IMPOSSIBLE', `job ${row.id} is ${row.state}: it cannot be changed any more`)
  }
  refuseOver(row, patch, now)
  const { state = row.state } = patch
  const spec = applyPatch(row.spec, patch)
  const ended = state === 'cancelled' ? now : null
  const next: JobRow = {
    ...row,
    spec,
    state,
    endedEpochMs: ended,
    reason: ended === null ? null : 'cancelled by a user',
  }
  return changedForHosts({ ...next, wave: Math.min(row.wave, spec.waves.length - 1) }, now)
}

/**
 * What the coordinator does next, given what the regions say: ends the job, opens the next wave, or divides limits and
 * hosts anew. Undefined when nothing changes.
 *
 * running -> done | failed: every host has ended, or the deadline has come; the quorum decides.
 * running -> failed: a wave ended with more failures than the budget.
 */
export function advanceJob(row: JobRow, tallies: ReadonlyMap<string, Tally>, now: number): JobRow | undefined {
  if (isFinal(row.state)) return undefined
  if (now >= deadlineOf(row)) return finish(row, tallies, now, 'the deadline has come')
  if (row.state === 'paused') return undefined
  const known = knownTallies(row, tallies)
  if (known === undefined) return undefined
  // a job for hosts that are still to join waits for the first of them
  const isEarly = sums(known.values()).selected === 0 && now < joinsUntil(row)
  if (waveEnded(row, known) && !isEarly) {
    const last = row.wave >= row.spec.waves.length - 1
    if (last) return finish(row, tallies, now, undefined)
    const { begun: told, failed, setAside } = sums(known.values())
    // a host that never answers has not begun
    const begun = told - setAside
    const budget = within(row.spec.failureBudget, begun)
    if (failed > budget) {
      const reason = `${failed} of the ${begun} hosts begun so far failed, more than the failure budget (${budget})`
      return changedForHosts({ ...row, state: 'failed', reason, endedEpochMs: now }, now)
    }
    const next = { ...row, wave: row.wave + 1 }
    return changed({ ...next, shares: sharesOf(next, selectedOf(known)) }, now)
  }
  const shares = sharesOf(row, selectedOf(known))
  return sameShares(shares, row.shares) ? undefined : changed({ ...row, shares }, now)
}

/** A job that cannot go on: what it was to move is not known any more. */
export function endLost(row: JobRow, now: number): JobRow {
  return changedForHosts({ ...row, state: 'failed', reason: 'its plan was lost with a disk', endedEpochMs: now }, now)
}

/**
 * Counted for the quorum: all that have answered but those skipped. A host that has never answered is only a name that
 * somebody announced; it counts where the job's `--hosts` says that this many are expected.
 */
export function verdict(
  row: JobRow,
  tallies: ReadonlyMap<string, Tally>,
): { readonly ok: boolean; readonly reason: string } {
  const { selected, ready, skipped, setAside } = partsOf(row, tallies)
  const { hosts } = row.spec
  const expected = hosts?.kind === 'count' ? hosts.count : 0
  const missed = Math.min(setAside, Math.max(0, expected - (selected - setAside)))
  const counted = selected - skipped + missed
  const needed = Math.ceil((counted * row.spec.quorumPercent) / 100 - 1e-9)
  const ok = counted > 0 && ready >= needed
  if (counted === 0) return { ok, reason: selected === 0 ? 'no host took part' : `all ${skipped} hosts were skipped` }
  const percent = `${row.spec.quorumPercent}%`
  return { ok, reason: `${ready} of ${counted} hosts are ready, the quorum is ${needed} (${percent})` }
}

function setAsideText(hosts: number): string {
  return hosts === 1 ? '1 host never answered and was set aside' : `${hosts} hosts never answered and were set aside`
}

function partsOf(row: JobRow, tallies: ReadonlyMap<string, Tally>): ReturnType<typeof sums> {
  return sums(Object.keys(row.shares).flatMap((region) => tallies.get(region) ?? []))
}

/** A job that is done and still takes in hosts: until when can be changed; to cancel it is to take in no more. */
function patchJoining(row: JobRow, { state, joinMs, ...others }: PrewarmPatch, now: number): JobRow {
  const isMore =
    (state !== undefined && state !== 'cancelled') || Object.values(others).some((one) => one !== undefined)
  if (isMore) {
    const text = `job ${row.id} is done and takes in hosts that join: only --join can be changed, or it can be cancelled`
    throw new ShoalError('PREWARM_IMPOSSIBLE', text)
  }
  const spec = { ...row.spec, joinMs: state === 'cancelled' ? 0 : (joinMs ?? row.spec.joinMs) }
  return changedForHosts({ ...row, spec }, now)
}

/** A deadline that is over when it is set would end the job at once, and nobody means that. */
function refuseOver({ createdEpochMs }: JobRow, { deadlineMs = 0 }: PrewarmPatch, now: number): void {
  if (deadlineMs === 0 || createdEpochMs + deadlineMs > now) return
  const began = Math.round((now - createdEpochMs) / 1000)
  const message = `the deadline is from the job's start, ${began} s ago, so ${deadlineMs / 1000} s after it is over already`
  throw new ShoalError('PREWARM_IMPOSSIBLE', `${message}; give a longer time, or cancel the job`)
}

function finish(row: JobRow, tallies: ReadonlyMap<string, Tally>, now: number, why: string | undefined): JobRow {
  const { ok, reason } = verdict(row, tallies)
  const said = ok && why === undefined ? [] : [why === undefined ? reason : `${why}: ${reason}`]
  const missed = row.absent.map((region) => `no cache of region ${region} answered, so it took no part`)
  const { setAside } = partsOf(row, tallies)
  if (setAside > 0) missed.push(setAsideText(setAside))
  const state = ok ? 'done' : 'failed'
  const text = [...said, ...missed].join('; ')
  const ended = {
    ...row,
    state,
    reason: text === '' ? null : text.slice(0, MAX_REASON_CHARS),
    endedEpochMs: now,
  } as const
  if (why === undefined) return changed(ended, now)
  // hosts still at work are told to stop, and nobody joins any more
  return changedForHosts({ ...ended, spec: { ...row.spec, joinMs: 0 } }, now)
}

function changed(row: JobRow, now: number): JobRow {
  return { ...row, revision: row.revision + 1, changedEpochMs: now }
}

/** Changed in what hosts are told: those at work hear of it. */
function changedForHosts(row: JobRow, now: number): JobRow {
  const next = changed(row, now)
  return { ...next, taskRevision: next.revision }
}

/** The tallies of all regions that take part; undefined while one of them has not been heard of. */
function knownTallies(row: JobRow, tallies: ReadonlyMap<string, Tally>): ReadonlyMap<string, Tally> | undefined {
  const known = new Map<string, Tally>()
  for (const region of Object.keys(row.shares)) {
    const tally = tallies.get(region)
    if (tally === undefined) return undefined
    known.set(region, tally)
  }
  return known
}

function waveEnded(row: JobRow, tallies: ReadonlyMap<string, Tally>): boolean {
  let opened = 0
  let wanted = 0
  for (const [region, { selected, hosts }] of tallies) {
    const share = row.shares[region]
    const open = Math.min(selected, share?.open ?? selected)
    if (hosts.ready + hosts.failed + hosts.skipped < open) return false
    opened += open
    wanted += selected
  }
  // a region that has grown since its share was cut: the wave is not full yet
  return opened >= Math.min(wanted, atMost(row.spec.waves[row.wave] ?? EVERYBODY, wanted))
}

/** Cuts the wave and the job's limits into shares by the number of hosts. A region's `open` never shrinks. */
function sharesOf(row: JobRow, selected: ReadonlyMap<string, number>): Record<string, Share> {
  const { spec, wave, shares } = row
  const regions = Object.keys(shares)
  const weights = regions.map((region) => selected.get(region) ?? 0)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const isLast = wave >= spec.waves.length - 1
  const open = split(atMost(spec.waves[wave] ?? EVERYBODY, total), weights)
  const hosts = splitOneEach(spec.maxHosts, weights)
  const rates = split(spec.fleetRateBytesPerSec, weights)
  const next: Record<string, Share> = {}
  for (const [i, region] of regions.entries()) {
    const before = shares[region]!
    const opened = Math.max(open[i]!, before.open ?? 0)
    next[region] = {
      ...before,
      open: isLast || before.open === null ? null : opened,
      // 0 means "no limit", so a region whose share rounds to nothing keeps one
      maxHosts: spec.maxHosts === 0 ? 0 : Math.max(1, hosts[i]!),
      rateBytesPerSec: spec.fleetRateBytesPerSec === 0 ? 0 : Math.max(1, rates[i]!),
      originRateBytesPerSec: spec.originRateBytesPerSec,
    }
  }
  return next
}

function sameShares(a: Readonly<Record<string, Share>>, b: Readonly<Record<string, Share>>): boolean {
  return Object.entries(a).every(([region, share]) => {
    const other = b[region]
    return other !== undefined && (Object.keys(share) as (keyof Share)[]).every((key) => share[key] === other[key])
  })
}

function selectedOf(tallies: ReadonlyMap<string, Tally>): Map<string, number> {
  return new Map([...tallies].map(([region, { selected }]) => [region, selected]))
}

function sums(
  tallies: Iterable<Tally>,
): Record<'selected' | 'begun' | 'ready' | 'failed' | 'skipped' | 'setAside', number> {
  const sum = { selected: 0, begun: 0, ready: 0, failed: 0, skipped: 0, setAside: 0 }
  for (const { selected, begun, hosts, setAside } of tallies) {
    sum.selected += selected
    sum.begun += begun
    sum.setAside += setAside
    for (const state of ['ready', 'failed', 'skipped'] as const) sum[state] += hosts[state]
  }
  return sum
}

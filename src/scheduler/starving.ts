import type { Download } from './download.ts'
import type { LeecherEffect } from './leecher-types.ts'
import { ORIGIN_PATIENCE_MS } from './origin-state.ts'
import { SEARCH_FIRST_MS } from './peer-search.ts'
import type { StuckHomes } from './stuck-homes.ts'
import { STUCK_MS } from './stuck-homes.ts'

/** Fewer usable neighbours than this, and the home is asked for more. */
const NEIGHBOURS_LEAST = 4
/**
 * With fewer a host of a large swarm falls behind: simulated, one in a thousand with five ended 10 % after the others, and
 * 2 % where neighbours that left soon after it had asked for others were not made up for.
 */
const NEIGHBOURS_ENOUGH = 10
/** Nothing, or a trickle, for this long of what somebody has: the blob is stalled. Longer each time, and up to the most. */
const STALLED_FIRST_MS = 10_000
const STALLED_MOST_MS = 20_000
/** Longer than a home goes on with an origin that fails: until then it waits itself, and will say so if it gives up. */
const WAITING_MOST_MS = ORIGIN_PATIENCE_MS + 15_000

/**
 * No byte for as long as a request may take, within these bounds, and what neighbours say they have is taken from the
 * home or the origin all the same. On slow links too little patience makes the home send what neighbours would have.
 */
const NEIGHBOURS_FAIL_LEAST_MS = 3_000
const NEIGHBOURS_FAIL_MOST_MS = 8_000

/**
 * Whether neighbours bring nothing: stale or lying about what they have, they could keep every piece asked for. So could
 * those who begin pieces and never end them, whose bytes are no progress once they have been given up.
 */
export function neighboursFail({ progress }: Download, deadlineMs: number, now: number): boolean {
  const patience = Math.max(NEIGHBOURS_FAIL_LEAST_MS, deadlineMs)
  if (progress.idleMs(now) >= Math.min(NEIGHBOURS_FAIL_MOST_MS, patience)) return true
  return progress.lostMs(now) >= Math.max(NEIGHBOURS_FAIL_MOST_MS, deadlineMs)
}

/** Asks for other neighbours when there are too few or nothing comes, and says so when nothing comes for long. */
export function noticeStarving(
  download: Download,
  usable: (source: number) => boolean,
  stuck: StuckHomes,
  now: number,
  out: LeecherEffect[],
): void {
  const { progress, search, blob } = download
  if (search.isShort) noticeParting(download, now, out)
  // a reader slower than its window is no fault of the sources
  if (!download.wanting || download.heldBack) progress.lively(now)
  const idleMs = progress.idleMs(now)
  if (download.spec.swarm && !download.heldBack && search.isDue(now)) {
    let peers = 0
    for (const [source, { kind }] of download.sources) if (kind === 'peer' && usable(source)) peers++
    if (peers < NEIGHBOURS_LEAST || idleMs > SEARCH_FIRST_MS) {
      search.asked(now)
      out.push({ type: 'findPeers', blob })
    }
  }
  const silentMs = Math.min(idleMs, progress.sinceStalledMs(now))
  // the least that any blob is given: most ticks find one that gets on, and need not look at its sources
  if (silentMs < STUCK_MS || silentMs < patienceWith(stuck, download, now)) return
  progress.stalled(now)
  out.push({ type: 'stalled', blob })
}

/** How long a blob may be without content, by what its homes do: those that send others' pieces come to its own in time. */
function patienceWith(stuck: StuckHomes, download: Download, now: number): number {
  if (stuck.hold(download, now)) return STUCK_MS
  return stuck.send(download, now) ? WAITING_MOST_MS : patienceFor(download)
}

/** A home that is a member like any other is not waited for while it may have nothing itself: it may mean to have nothing. */
function patienceFor({ progress, missesKnown, hasStandIn }: Download): number {
  if (hasStandIn) return STALLED_FIRST_MS
  return missesKnown ? Math.min(STALLED_MOST_MS, STALLED_FIRST_MS * 2 ** progress.stalls) : WAITING_MOST_MS
}

/** A neighbour has left: asks for others at once when few are left, but not for each of many that leave together. */
export function noticeParting(download: Download, now: number, out: LeecherEffect[]): void {
  if (!download.spec.swarm || download.completed) return
  let peers = 0
  for (const { kind } of download.sources.values()) if (kind === 'peer') peers++
  if (peers < NEIGHBOURS_ENOUGH && download.search.askFor(now)) out.push({ type: 'findPeers', blob: download.blob })
}

import type { Download } from './download.ts'
import { FIND_PEERS_FIRST_MS, FIND_PEERS_MOST_MS } from './download.ts'
import type { LeecherEffect } from './leecher-types.ts'
import { ORIGIN_PATIENCE_MS } from './origin-state.ts'

/** Fewer usable neighbours than this, and the home is asked for more. */
const NEIGHBOURS_LEAST = 4
/** With fewer a host of a large swarm falls behind: simulated, one in a thousand with five ended 10 % after the others. */
const NEIGHBOURS_ENOUGH = 10
/** Nothing, or a trickle, for this long of what somebody has: the blob is stalled. Longer each time, and up to the most. */
const STALLED_FIRST_MS = 10_000
const STALLED_MOST_MS = 20_000
/** Longer than a home goes on with an origin that fails: until then it waits itself, and will say so if it gives up. */
const WAITING_MOST_MS = ORIGIN_PATIENCE_MS + 15_000

/** Asks for other neighbours when there are too few or nothing comes, and says so when nothing comes for long. */
export function noticeStarving(
  download: Download,
  usable: (source: number) => boolean,
  now: number,
  out: LeecherEffect[],
): void {
  // a reader slower than its window is no fault of the sources
  if (!download.wanting) download.lively(now)
  const idleMs = now - download.lastProgressAt
  if (download.spec.swarm && download.findPeersAt <= now) {
    let peers = 0
    for (const [source, { kind }] of download.sources) if (kind === 'peer' && usable(source)) peers++
    if (peers < NEIGHBOURS_LEAST || idleMs > FIND_PEERS_FIRST_MS) {
      download.findPeersWait = Math.min(FIND_PEERS_MOST_MS, download.findPeersWait * 2)
      download.findPeersAt = now + download.findPeersWait
      out.push({ type: 'findPeers', blob: download.blob })
    }
  }
  const patience = Math.min(STALLED_MOST_MS, STALLED_FIRST_MS * 2 ** download.stalls)
  const stalledMs = Math.min(idleMs, now - download.stalledAt)
  if (stalledMs < (download.missesKnown ? patience : WAITING_MOST_MS)) return
  download.stalledAt = now
  download.stalls++
  out.push({ type: 'stalled', blob: download.blob })
}

/** A neighbour has left: asks for others at once when few are left, but not for each of many that leave together. */
export function noticeParting(download: Download, now: number, out: LeecherEffect[]): void {
  if (!download.spec.swarm || download.completed || now - download.partedAt < FIND_PEERS_FIRST_MS) return
  let peers = 0
  for (const { kind } of download.sources.values()) if (kind === 'peer') peers++
  if (peers >= NEIGHBOURS_ENOUGH) return
  download.partedAt = now
  out.push({ type: 'findPeers', blob: download.blob })
}

import type { OriginChain } from '../origin/index.ts'
import type { Bitfield } from '../piece/bitfield.ts'
import type { MemoryPartial } from '../store/index.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { Transfer } from './transfer.ts'

/** A transfer under way and how it gets its pieces. */
export interface Active {
  readonly transfer: Transfer
  /** Whether this host fetches as the blob's home: from the tier above or the origin. */
  asHome: boolean
  /** Whether others may take part: false for a window in memory, or content fetched in one client's name. */
  readonly shared: boolean
  /** Lower is served first; what nobody waits for comes behind all else (`isBackground`). */
  order: number
  /** Pieces beyond the reader that may be fetched; undefined = all. */
  readonly window: number | undefined
  /** The home, or the home in the tier above, this transfer has joined. */
  home: PeerLink | undefined
  chain: OriginChain | undefined
  rerouting: Promise<void> | undefined
  /** Attempts in a row to find a way that brought nothing. */
  failures: number
  /** While content that failed its digest is being dropped. */
  startingOver: boolean
  /** Hosts of the region that wait at this home. */
  readonly memberHolds: Map<PeerLink, Disposable>
  /** Neighbours that were sent this host's bitfield, and what they are known to have: that need not be told to them. */
  readonly told: Map<PeerLink, Bitfield>
  /** Peers that sent wrong bytes of it: they are not asked again. */
  readonly shunned: Set<PeerLink>
  /** Since when nobody has held the transfer, and how long it goes on without. */
  idleSince: number
  lingerMs: number
}

/** How a transfer begins. */
export interface BeginOptions {
  readonly memory: MemoryPartial | undefined
  readonly asHome: boolean
  readonly shared: boolean
  readonly order: number
  readonly window: number | undefined
  /** Pieces that may be here or under way, for a start; undefined = all. */
  readonly limit?: number | undefined
}

import type { OriginChain } from '../origin/index.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { Entry } from '../tier/index.ts'
import type { PieceRun } from './messages.ts'
import type { SharedWindow } from './shared-window.ts'
import type { Transfer } from './transfer.ts'

/** How long a transfer goes on that nobody waits for any more: a runtime that lost its connection comes back. */
const LINGER_MS = 30_000
/** The same for one nobody has begun to read: a sibling layer its runtime has not come to yet. */
const LINGER_UNREAD_MS = 5 * 60_000
/** The same for one in memory: a parallel fetch has its next range asked for well before. */
const LINGER_WINDOW_MS = 5_000

/** How a transfer begins. */
export interface BeginOptions {
  readonly entry: Entry
  readonly shared: boolean
  readonly order: number
  /** What may be fetched of a blob that cannot be stored, for a partial in memory. */
  readonly window: SharedWindow | undefined
  /** Pieces that may be here or under way, for a start; undefined = all. */
  readonly limit?: number | undefined
  /** Nobody wants more of it than parts, and these first; undefined: all is wanted. */
  readonly awaits?: PieceRun | undefined
}

/** A transfer under way and how it gets its pieces. It begins without a source, and nobody reads it. */
export class Active {
  readonly transfer: Transfer
  /** Whether others may take part: false for a window in memory, or content fetched in one client's name. */
  readonly shared: boolean
  /** Hosts of the region that wait at this home. */
  readonly #members = new Map<PeerLink, Disposable>()
  #entry: Entry
  #order: number
  #awaits: PieceRun | undefined
  #home: PeerLink | undefined
  #chain: OriginChain | undefined
  #isStartingOver = false
  #idleSince: number
  #lingerMs = LINGER_UNREAD_MS

  constructor(transfer: Transfer, { entry, shared, order, awaits }: Omit<BeginOptions, 'window'>, now: number) {
    this.transfer = transfer
    this.shared = shared
    this.#entry = entry
    this.#order = order
    this.#awaits = awaits
    this.#idleSince = now
  }

  /** Where the ladder is entered for it: `forPeer` as the blob's home, from the tier above or the origin. */
  get entry(): Entry {
    return this.#entry
  }

  /** From now on the tier above or the origin is asked, whatever the homes say. */
  passHomes(): void {
    this.#entry = 'forPeer'
  }

  /** Lower is served first; what nobody waits for comes behind all else (`isBackground`). */
  get order(): number {
    return this.#order
  }

  /** Somebody else reads it. */
  reorder(order: number): void {
    this.#order = order
  }

  /** What was waited for last, where nobody wants all of it: such pieces come and no others. Undefined: all is wanted. */
  get awaits(): PieceRun | undefined {
    return this.#awaits
  }

  /** Other pieces are waited for; nothing changes where all is wanted. */
  awaitsNow(run: PieceRun): void {
    if (this.#awaits !== undefined) this.#awaits = run
  }

  wantsAll(): void {
    this.#awaits = undefined
  }

  /** The home, or the home in the tier above, that the transfer has joined. */
  get home(): PeerLink | undefined {
    return this.#home
  }

  /** The origins that it is read from. */
  get chain(): OriginChain | undefined {
    return this.#chain
  }

  joined(home: PeerLink): void {
    this.#home = home
    this.#chain = undefined
  }

  readsFrom(chain: OriginChain): void {
    this.#home = undefined
    this.#chain = chain
  }

  lostHome(): void {
    this.#home = undefined
  }

  lostSources(): void {
    this.#home = undefined
    this.#chain = undefined
  }

  /** While content that failed its digest is being dropped. */
  get isStartingOver(): boolean {
    return this.#isStartingOver
  }

  /** Drops its content until disposed. */
  startOver(): Disposable {
    this.#isStartingOver = true
    return {
      [Symbol.dispose]: () => {
        this.#isStartingOver = false
      },
    }
  }

  /** A host of the region waits at this home: the transfer goes on for it. */
  holdFor(member: PeerLink): void {
    if (!this.#members.has(member)) this.#members.set(member, this.transfer.hold())
  }

  /** It does not wait any more. */
  release(member: PeerLink): void {
    this.#members.get(member)?.[Symbol.dispose]()
    this.#members.delete(member)
  }

  releaseAll(): void {
    for (const member of [...this.#members.keys()]) this.release(member)
  }

  /** Nobody waits for the transfer any more. Without a reader a window is only memory. */
  lingers(now: number): void {
    this.#idleSince = now
    this.#lingerMs = this.transfer.window === undefined ? LINGER_MS : LINGER_WINDOW_MS
  }

  /** Parts of it are read past it. */
  isOfUse(now: number): void {
    this.#idleSince = now
  }

  /** What parts were wanted of it is wanted no more: it does not outlive its readers. */
  isOfNoUse(): void {
    this.#lingerMs = 0
  }

  /** Whether nobody has held the transfer for longer than it goes on without. */
  isAbandoned(now: number): boolean {
    return !this.transfer.held && now - this.#idleSince >= this.#lingerMs
  }
}

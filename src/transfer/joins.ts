import { refusalOf, refused } from '../base/outcome.ts'
import type { Digest } from '../oci/digest.ts'
import { Bitfield } from '../piece/bitfield.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { TransferDeps } from './deps.ts'
import type { Engine } from './engine.ts'
import { kindsFor } from './hash-run.ts'
import type { JoinRequest, JoinResponse } from './messages.ts'
import { readableRuns } from './messages.ts'
import { SmallBlobs } from './small-blobs.ts'
import type { Transfer } from './transfer.ts'

const SMALL_BLOBS_BYTES = 16 * 1024 * 1024
export const GONE = refused('unavailable', 'evicted just now')

interface JoinsDeps extends Pick<TransferDeps, 'clock' | 'store'> {
  readonly engine: Engine
}

/** What hosts are answered that want to take part in a blob's swarm, once it is known what there is. */
export class Joins {
  readonly #deps: JoinsDeps
  readonly #smallBlobs: SmallBlobs

  constructor(deps: JoinsDeps) {
    this.#deps = deps
    this.#smallBlobs = new SmallBlobs(deps, SMALL_BLOBS_BYTES)
  }

  /** A cache of this region has become home of a blob and asks whether this host has it whole. */
  async held(link: PeerLink, digest: Digest): Promise<JoinResponse> {
    const isShared = this.#deps.store.size(digest) !== undefined && (await this.#deps.engine.archive.shareable(digest))
    return (isShared ? await this.stored(link, digest) : undefined) ?? GONE
  }

  /** Undefined when the blob is not here any more. */
  async stored(link: PeerLink, digest: Digest): Promise<JoinResponse | undefined> {
    const { archive, hashes, tracker, metrics } = this.#deps.engine
    const size = this.#deps.store.size(digest)
    if (size === undefined) return undefined
    const layout = new PieceLayout(digest, size)
    if (layout.count <= 1) {
      const bytes = await this.#smallBlobs.read(digest, size)
      return bytes === undefined ? undefined : { kind: 'inline', bytes: metrics.sentWhole(link, bytes) }
    }
    const runs = await archive.load(layout, hashes.signer(layout), kindsFor(link))
    if (runs === undefined) return undefined
    const passable = runs.map((run) => hashes.passable(layout, run))
    return { kind: 'swarm', size, runs: readableRuns(link, passable), ...tracker.join(digest, link) }
  }

  /** Members hear of a swarm once it is known that there is something to have. */
  async found(link: PeerLink, transfer: Transfer, args: JoinRequest, signal: AbortSignal): Promise<JoinResponse> {
    try {
      await transfer.whenFound(signal)
    } catch (error) {
      signal.throwIfAborted()
      if (transfer.proven) return (await this.stored(link, transfer.digest)) ?? GONE
      return refusalOf(transfer.failure ?? error)
    }
    if (!kindsFor(link).includes('link')) await transfer.keptBy.hashed()
    // it may have become whole meanwhile
    const isOver = this.#deps.engine.actives.find(transfer.digest)?.transfer !== transfer
    if (isOver && transfer.proven) return (await this.stored(link, transfer.digest)) ?? GONE
    return this.#joinTransfer(link, transfer, args)
  }

  #joinTransfer(link: PeerLink, transfer: Transfer, args: JoinRequest): JoinResponse {
    const { actives, hashes, tracker } = this.#deps.engine
    const { layout, pieceHashes, partial, digest } = transfer
    const active = actives.find(digest)
    if (active === undefined || !active.shared) {
      return refused('unavailable', 'this content is fetched for one client only')
    }
    active.holdFor(link)
    // until its origin has confirmed a transfer, what other repositories' members have is not for its readers
    const isOwn = transfer.ref.upstream === args.upstream && transfer.ref.repository === args.repository
    const usable = args.have.length > 0 && (transfer.confirmed || isOwn) && link !== active.home
    const has = usable ? Bitfield.fromBytes(layout.count, args.have) : undefined
    const runs = pieceHashes.runs(partial.have, hashes.signer(layout), kindsFor(link))
    return { kind: 'swarm', size: layout.size, runs: readableRuns(link, runs), ...tracker.join(digest, link, has) }
  }
}

import type { Logger } from '../base/log.ts'
import type { Counter, NoLabels } from '../base/metrics.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import type { BlobEntry } from './blob-entries.ts'
import type { BlobFiles } from './blob-files.ts'
import type { Catalogue } from './catalogue.ts'
import type { StoreDamage } from './interface.ts'
import type { KeyedLock } from './keyed-lock.ts'

interface DamageDeps {
  readonly catalogue: Catalogue
  readonly blobFiles: BlobFiles
  readonly locks: KeyedLock
  readonly logger: Logger
  readonly corrupt: Counter<NoLabels>
}

/** What becomes of content that the disk has changed: it is dropped, logged once, counted, and told to whoever may fetch it again. */
export class Damage {
  readonly #deps: DamageDeps
  readonly #listeners = new Set<(damage: StoreDamage) => void>()

  constructor(deps: DamageDeps) {
    this.#deps = deps
  }

  listen(listener: (damage: StoreDamage) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /**
   * A piece of a complete blob is not what it was. The blob becomes a partial again, whose resumption finds what else is
   * damaged; without proofs, or of one piece, it goes whole. The first to see it does this; all wait for it.
   */
  async ofBlob(entry: BlobEntry, layout: PieceLayout, piece: number, proofs?: PieceProofs): Promise<void> {
    const { locks } = this.#deps
    await locks.run(layout.digest, () => this.#drop(entry, layout, piece, proofs))
  }

  /** The same for a caller that holds the digest's lock. */
  async ofLocked(entry: BlobEntry, layout: PieceLayout): Promise<void> {
    await this.#drop(entry, layout, 0, undefined)
  }

  /** A piece of a partial is not what it was: its partial drops it, and whoever fetches the blob fetches it again. */
  ofPartial(layout: PieceLayout, piece: number): void {
    const { logger, corrupt } = this.#deps
    corrupt.inc({})
    logger.error({ digest: layout.digest, piece }, 'a piece of a partial blob is damaged on disk: dropped')
  }

  async #drop(entry: BlobEntry, layout: PieceLayout, piece: number, proofs: PieceProofs | undefined): Promise<void> {
    const { catalogue, blobFiles, logger, corrupt } = this.#deps
    const { digest, size } = entry
    if (catalogue.blobs.get(digest) !== entry) return
    corrupt.inc({})
    const context = { digest, bytes: size, piece }
    try {
      const isPartial = proofs !== undefined && layout.count > 1 && catalogue.partials.get(digest) === undefined
      if (isPartial) await blobFiles.demote(entry, layout, proofs)
      else await blobFiles.eraseBlob(entry)
      logger.error(context, 'a stored blob is damaged on disk: what is wrong is dropped, and fetched again')
    } catch (error) {
      // out of the catalogue all the same: it is served no more
      logger.error({ ...context, err: error }, 'a stored blob is damaged on disk, which cannot be changed either')
    }
    for (const listener of this.#listeners) listener({ digest, size, piece })
  }
}

import { constants } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { PooledFile } from '../base/file-pool.ts'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import type { BlobEntry } from './blob-entries.ts'
import type { Catalogue } from './catalogue.ts'
import {
  inPlace,
  isGone,
  isNoFile,
  makeDirectoryInPlace,
  openFile,
  removeFile,
  storeError,
  syncDirectory,
} from './files.ts'
import { LAST_USE_GRANULARITY_MS } from './options.ts'
import type { PartialEntry } from './partial-entries.ts'
import type { StorePaths } from './paths.ts'
import {
  blobKey,
  encodeBlobRow,
  encodePartialRow,
  encodePieceRow,
  encodePinRow,
  partialKey,
  pieceKey,
  piecePrefix,
  pinKey,
  proofsKey,
} from './rows.ts'
import type { IndexWrite, StoreIndex } from './store-index.ts'

/** Rows written in one turn of the event loop. */
const ROWS_AT_ONCE = 4_096

interface BlobFilesDeps {
  readonly paths: StorePaths
  readonly index: StoreIndex
  readonly catalogue: Catalogue
  readonly logger: Logger
}

/**
 * The steps in which file, row and catalogue entry of one digest change together, in the order that a crash between
 * any two can be recovered from (FORMAT.md). Callers hold the digest's lock.
 */
export class BlobFiles {
  readonly #deps: BlobFilesDeps
  readonly #shards = new Set<string>()

  constructor(deps: BlobFilesDeps) {
    this.#deps = deps
  }

  /** Opens a blob's file; undefined when it is gone or has another size, so that it is no stored blob any more. */
  async openBlob(entry: BlobEntry): Promise<PooledFile | undefined> {
    const path = this.#deps.paths.blob(entry.digest)
    try {
      const file = await openFile(path, constants.O_RDONLY)
      const found = await file.stat()
      if (found.isFile() && found.size === entry.size) return file
      await file.close()
    } catch (error) {
      if (!isGone(error) && !isNoFile(error)) throw storeError(error, `blob ${entry.digest} cannot be opened`)
    }
    return undefined
  }

  /**
   * Makes a complete file, open as `file` and named `from`, the stored blob `digest`: fsync, rename, fsync of the
   * directory, row. `writes` go with the row, all or none. On failure the file has its old name again.
   */
  async place(
    blob: { readonly digest: Digest; readonly size: number; readonly lastUsedEpochMs: number },
    from: { readonly file: PooledFile; readonly path: string },
    writes: Iterable<IndexWrite> = [],
  ): Promise<void> {
    const path = this.#deps.paths.blob(blob.digest)
    try {
      await from.file.sync()
      const shard = await this.#intoShard(blob.digest, from.path)
      try {
        await syncDirectory(shard)
        await this.#deps.index.write([...writes, [blobKey(blob.digest), encodeBlobRow(blob)]], { sync: true })
      } catch (error) {
        // Best effort: if it fails too, the next start adopts the file.
        await rename(path, from.path).catch(() => {})
        throw error
      }
    } catch (error) {
      throw storeError(error, `blob ${blob.digest} cannot be stored`)
    }
  }

  /** Deletes a blob, the file first: a file without a row would be adopted again, a row without a file is dropped. */
  async eraseBlob(entry: BlobEntry): Promise<void> {
    const { catalogue, paths, index } = this.#deps
    if (catalogue.blobs.get(entry.digest) !== entry) return
    catalogue.blobs.remove(entry)
    await removeFile(paths.blob(entry.digest)).catch((error) => {
      throw storeError(error, `blob ${entry.digest} cannot be deleted`)
    })
    index.queue(blobRowDeletes(entry.digest))
  }

  /** Deletes a partial's file and rows. Its open file, if any, stays readable. */
  async erasePartial(entry: PartialEntry): Promise<void> {
    const { catalogue, paths, index } = this.#deps
    if (catalogue.partials.get(entry.digest) !== entry) return
    catalogue.partials.remove(entry)
    index.queue([[partialKey(entry.digest), undefined]])
    index.clear(piecePrefix(entry.digest))
    await removeFile(paths.partial(entry.digest)).catch((error) => {
      throw storeError(error, `the partial of ${entry.digest} cannot be deleted`)
    })
  }

  /**
   * Makes a blob a partial again, of which every piece is claimed: what of it is wrong shows when it is opened. A crash in
   * between leaves a file without a row, or rows without a file; recovery deletes both.
   */
  async demote(entry: BlobEntry, layout: PieceLayout, proofs: PieceProofs): Promise<void> {
    const { catalogue, paths, index } = this.#deps
    const { digest, size, lastUsedEpochMs } = entry
    catalogue.blobs.remove(entry)
    await rename(paths.blob(digest), paths.partial(digest))
    index.queue(blobRowDeletes(digest))
    for (let first = 0; first < layout.count; first += ROWS_AT_ONCE) {
      await index.write(pieceRows(layout, proofs, first), { sync: false })
    }
    const fields = { digest, size, pieceSize: layout.pieceSize, storedBytes: size, lastUsedEpochMs }
    this.savePartial(catalogue.partials.add(fields))
  }

  savePartial(entry: PartialEntry): void {
    this.#deps.index.queue([[partialKey(entry.digest), encodePartialRow(entry)]])
  }

  /** They may be gone: each is made again before its next use. */
  forgetDirectories(): void {
    this.#shards.clear()
  }

  /** Marks a blob used; the index learns of it only now and then. */
  touch(entry: BlobEntry): void {
    this.#deps.catalogue.blobs.touch(entry)
    if (Math.abs(entry.lastUsedEpochMs - entry.savedUseEpochMs) >= LAST_USE_GRANULARITY_MS) this.#saveUse(entry)
  }

  /** Writes every last use that the index does not have. */
  saveUses(): void {
    for (const entry of this.#deps.catalogue.blobs.values()) {
      if (entry.lastUsedEpochMs !== entry.savedUseEpochMs) this.#saveUse(entry)
    }
  }

  /** Writes again what the index has lost of all that is known in memory; proofs are made anew as they are needed. */
  saveAll(): void {
    const { catalogue, index } = this.#deps
    for (const entry of catalogue.blobs.values()) this.#saveUse(entry)
    for (const entry of catalogue.partials.values()) this.savePartial(entry)
    for (const digest of catalogue.pins.digests()) {
      index.queue([[pinKey(digest), encodePinRow(catalogue.pins.until(digest) ?? 0)]])
    }
  }

  #saveUse(entry: BlobEntry): void {
    entry.savedUseEpochMs = entry.lastUsedEpochMs
    this.#deps.index.queue([[blobKey(entry.digest), encodeBlobRow(entry)]])
  }

  /** Moves a complete file to its place; returns the directory. */
  async #intoShard(digest: Digest, from: string): Promise<string> {
    const path = this.#deps.paths.blob(digest)
    const shard = await this.#shard(digest)
    try {
      await inPlace(path, () => rename(from, path))
    } catch (error) {
      // somebody has deleted the directory
      if (!isGone(error) || !this.#shards.delete(shard)) throw error
      await mkdir(dirname(shard), { recursive: true, mode: 0o700 })
      await this.#shard(digest)
      await rename(from, path)
    }
    return shard
  }

  async #shard(digest: Digest): Promise<string> {
    const shard = this.#deps.paths.shard(digest)
    if (!this.#shards.has(shard)) await makeDirectoryInPlace(shard)
    this.#shards.add(shard)
    return shard
  }
}

/** Deletes all rows a complete blob has. */
export function blobRowDeletes(digest: Digest): IndexWrite[] {
  return [
    [blobKey(digest), undefined],
    [proofsKey(digest), undefined],
  ]
}

/** Rows of up to `ROWS_AT_ONCE` pieces. */
function* pieceRows({ digest, count }: PieceLayout, proofs: PieceProofs, first: number): Generator<IndexWrite> {
  for (let piece = first; piece < Math.min(count, first + ROWS_AT_ONCE); piece++) {
    const proof = proofs(piece)
    if (proof !== undefined) yield [pieceKey(digest, piece), encodePieceRow(proof)]
  }
}

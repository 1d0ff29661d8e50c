import { constants } from 'node:fs/promises'
import { ShoalError } from '../base/errors.ts'
import type { PooledFile } from '../base/file-pool.ts'
import { Bitfield } from '../piece/bitfield.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import { packedProofs } from '../piece/piece-proof.ts'
import { ProofTable } from '../piece/proof-table.ts'
import type { BlobEntry } from './blob-entries.ts'
import type { BlobFiles } from './blob-files.ts'
import { proofsRow } from './blob-proofs.ts'
import type { Catalogue } from './catalogue.ts'
import type { Damage } from './damage.ts'
import type { DiskBudget } from './disk-budget.ts'
import { openRegular, storeError } from './files.ts'
import type { KeyedLock } from './keyed-lock.ts'
import type { PartialKeeper } from './partial-blob.ts'
import { DiskPartialBlob } from './partial-blob.ts'
import type { PartialEntry } from './partial-entries.ts'
import type { StorePaths } from './paths.ts'
import { putBack } from './put-back.ts'
import type { Resumed } from './resume.ts'
import { resumePieces } from './resume.ts'
import { encodePieceRow, partialKey, pieceKey, piecePrefix } from './rows.ts'
import type { IndexWrite, StoreIndex } from './store-index.ts'

export interface PartialDeps {
  readonly paths: StorePaths
  readonly index: StoreIndex
  readonly catalogue: Catalogue
  readonly blobFiles: BlobFiles
  readonly space: DiskBudget
  readonly damage: Damage
  readonly locks: KeyedLock
  readonly now: () => number
}

/**
 * Opens the partial of a blob, new or resumed. The caller holds the digest's lock. `onClose` runs once it is disposed.
 * Throws `STORE_DISK_FULL`, and `STORE_FAILED` when the blob is complete or its partial open.
 */
export async function openPartial(
  deps: PartialDeps,
  layout: PieceLayout,
  onClose: () => void,
): Promise<DiskPartialBlob> {
  const entry = await admit(deps, layout)
  let file: PooledFile | undefined
  try {
    const flags = constants.O_RDWR | constants.O_CREAT | (entry.storedBytes === 0 ? constants.O_TRUNC : 0)
    file = await deps.space.create(() => openRegular(deps.paths.partial(layout.digest), flags))
    await file.truncate(layout.size)
    const resumed = await resume(deps, layout, entry, file)
    deps.catalogue.partials.addStored(entry, resumed.storedBytes - entry.storedBytes)
    deps.blobFiles.savePartial(entry)
    deps.index.queue(resumed.brokenKeys.map((key) => [key, undefined]))
    return new DiskPartialBlob(resumed.content, file, keeper(deps, layout, entry, onClose))
  } catch (error) {
    deps.catalogue.partials.close(entry)
    await file?.close()
    throw storeError(error, `the partial of ${layout.digest} cannot be opened`)
  }
}

/** Finds or makes the entry, unless what the blob still lacks could never be kept. */
async function admit(deps: PartialDeps, layout: PieceLayout): Promise<PartialEntry> {
  const { catalogue, blobFiles, space } = deps
  const { digest, size, pieceSize } = layout
  if (!Number.isSafeInteger(size) || size < 0) throw new ShoalError('STORE_FAILED', `a blob cannot have ${size} bytes`)
  if (catalogue.blobs.get(digest) !== undefined)
    throw new ShoalError('STORE_FAILED', `blob ${digest} is complete already`)
  const found = catalogue.partials.get(digest)
  if (found?.isOpen === true) throw new ShoalError('STORE_FAILED', `the partial of ${digest} is open already`)
  const resumable = found !== undefined && found.size === size && found.pieceSize === pieceSize
  if (found !== undefined && !resumable) await blobFiles.erasePartial(found)
  const entry =
    found !== undefined && resumable
      ? found
      : catalogue.partials.add({ digest, size, pieceSize, storedBytes: 0, lastUsedEpochMs: deps.now() })
  try {
    await space.expect(size - entry.storedBytes, () => catalogue.partials.open(entry))
  } catch (error) {
    if (entry !== found) catalogue.partials.remove(entry)
    throw error
  }
  return entry
}

async function resume(deps: PartialDeps, layout: PieceLayout, entry: PartialEntry, file: PooledFile): Promise<Resumed> {
  if (entry.storedBytes > 0) {
    // Rows of an earlier life of this partial may still be on their way.
    await deps.index.flush()
    return await resumePieces(deps.index, layout, file)
  }
  const content = { layout, have: new Bitfield(layout.count), proofs: new ProofTable(layout.count) }
  return { content, storedBytes: 0, brokenKeys: [] }
}

/** What the partial asks of the store, bound to its entry. */
function keeper(deps: PartialDeps, layout: PieceLayout, entry: PartialEntry, onClose: () => void): PartialKeeper {
  const { catalogue, index, blobFiles } = deps
  const { digest, size } = entry
  let committed: BlobEntry | undefined
  let proofs: PieceProofs | undefined
  return {
    exclusively: (work) => deps.locks.run(digest, work),
    write: (bytes, attempt) => deps.space.write(bytes, attempt),
    record(piece, bytes, proof) {
      catalogue.partials.addStored(entry, proof === undefined ? -bytes : bytes)
      index.queue([[pieceKey(digest, piece), proof === undefined ? undefined : encodePieceRow(proof)]])
    },
    async damaged(piece) {
      if (committed === undefined) deps.damage.ofPartial(layout, piece)
      else await deps.damage.ofBlob(committed, layout, piece, proofs)
    },
    async promote(file, packed) {
      committed = catalogue.blobs.get(digest)
      if (committed !== undefined) {
        // Somebody put the same content whole meanwhile.
        await blobFiles.erasePartial(entry)
      } else {
        const lastUsedEpochMs = deps.now()
        const path = deps.paths.partial(digest)
        const copy = await putBack(file, path, layout)
        try {
          const from = { file: copy ?? file, path }
          const rows: IndexWrite[] = [
            [partialKey(digest), undefined],
            ...(packed === undefined ? [] : proofsRow(layout, packed)),
          ]
          // its descriptor stays while its name changes: nobody opens it by the old one then
          await from.file.use(async () => {
            await deps.space.create(() => blobFiles.place({ digest, size, lastUsedEpochMs }, from, rows))
            file.moved(deps.paths.blob(digest))
          })
        } finally {
          await copy?.close()
        }
        index.clear(piecePrefix(digest))
        catalogue.partials.remove(entry)
        committed = catalogue.blobs.add(digest, size, lastUsedEpochMs)
      }
      file.moved(deps.paths.blob(digest))
      proofs = packed === undefined ? undefined : packedProofs(layout, packed)
      committed.users++
    },
    erase: () => blobFiles.erasePartial(entry),
    async closed() {
      onClose()
      if (committed !== undefined) committed.users--
      if (catalogue.partials.get(digest) !== entry) return
      catalogue.partials.close(entry)
      // An empty partial is nothing to resume.
      if (entry.storedBytes === 0) await blobFiles.erasePartial(entry)
      else blobFiles.savePartial(entry)
    },
  }
}

import type { PooledFile } from '../base/file-pool.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import { packedProofs } from '../piece/piece-proof.ts'
import type { BlobEntry } from './blob-entries.ts'
import type { BlobFiles } from './blob-files.ts'
import type { BlobProofs } from './blob-proofs.ts'
import type { Catalogue } from './catalogue.ts'
import type { Damage } from './damage.ts'
import { readIfThere } from './files.ts'
import type { StoredBlob } from './interface.ts'
import type { KeyedLock } from './keyed-lock.ts'
import { RecentPieces } from './recent-pieces.ts'
import type { BlobKeeper } from './stored-blob.ts'
import { DiskStoredBlob } from './stored-blob.ts'

interface BlobReadsDeps {
  readonly catalogue: Catalogue
  readonly blobFiles: BlobFiles
  readonly damage: Damage
  readonly locks: KeyedLock
  readonly proofs: BlobProofs
  /** Handles that are open, for the end of the store. */
  readonly handles: Set<AsyncDisposable>
}

interface OpenFile {
  readonly entry: BlobEntry
  readonly file: PooledFile
}

/** Complete blobs as they are read: opened with the proofs of their pieces, or whole when they are small. */
export class BlobReads {
  readonly #deps: BlobReadsDeps
  readonly #recent = new RecentPieces()

  constructor(deps: BlobReadsDeps) {
    this.#deps = deps
  }

  /** See `BlobStore.open`. */
  async open(digest: Digest, purpose: 'read' | 'check'): Promise<StoredBlob | undefined> {
    const opened = await this.#openFile(digest, purpose)
    if (opened === undefined) return undefined
    const { entry, file } = opened
    let kept = false
    try {
      const packed = await this.#proofs(entry, file)
      if (packed === undefined) return undefined
      kept = true
      return this.#handle(entry, file, packedProofs(new PieceLayout(digest, entry.size), packed))
    } finally {
      if (!kept) await close(opened)
    }
  }

  /** See `BlobStore.readSmall`. */
  async readSmall(digest: Digest, maxBytes: number): Promise<Uint8Array | undefined> {
    const size = this.#deps.catalogue.blobs.get(digest)?.size
    if (size === undefined || size > maxBytes) return undefined
    return await this.#withFile(digest, async ({ entry, file }) => {
      const bytes = new Uint8Array(size)
      if ((await readIfThere(file, bytes, 0)) && digestOf(bytes, digest) === digest) return bytes
      await this.#deps.damage.ofBlob(entry, new PieceLayout(digest, size), 0)
      return undefined
    })
  }

  /** See `BlobStore.proofs`. */
  async proofs(digest: Digest): Promise<Uint8Array | undefined> {
    const size = this.#deps.catalogue.blobs.get(digest)?.size
    const known = size === undefined ? undefined : await this.#deps.proofs.find(new PieceLayout(digest, size))
    if (size === undefined || known !== undefined) return known
    return await this.#withFile(digest, ({ entry, file }) => this.#proofs(entry, file))
  }

  async #withFile<T>(digest: Digest, use: (opened: OpenFile) => Promise<T>): Promise<T | undefined> {
    const opened = await this.#openFile(digest, 'read')
    if (opened === undefined) return undefined
    try {
      return await use(opened)
    } finally {
      await close(opened)
    }
  }

  /** The proofs of a blob that is open; damaged content, found while they are made anew, is dropped. */
  async #proofs({ digest }: BlobEntry, file: PooledFile): Promise<Uint8Array | undefined> {
    const { proofs, locks, damage, catalogue } = this.#deps
    const entry = catalogue.blobs.get(digest)
    if (entry === undefined) return undefined
    const layout = new PieceLayout(digest, entry.size)
    const known = await proofs.find(layout)
    if (known !== undefined) return known
    return locks.run(digest, async () => {
      const made = (await proofs.find(layout)) ?? (await proofs.make(layout, file))
      if (made === undefined) await damage.ofLocked(entry, layout)
      return made
    })
  }

  /** Opens a blob's file and counts as its user. One without its file is damaged. */
  async #openFile(digest: Digest, purpose: 'read' | 'check'): Promise<OpenFile | undefined> {
    const { catalogue, blobFiles, damage } = this.#deps
    const entry = catalogue.blobs.get(digest)
    if (entry === undefined) return undefined
    if (purpose === 'read') blobFiles.touch(entry)
    entry.users++
    let opened = false
    try {
      const file = await blobFiles.openBlob(entry)
      if (file !== undefined) {
        opened = true
        return { entry, file }
      }
    } finally {
      if (!opened) entry.users--
    }
    await damage.ofBlob(entry, new PieceLayout(digest, entry.size), 0)
    return undefined
  }

  #handle(entry: BlobEntry, file: PooledFile, proofs: PieceProofs): StoredBlob {
    const { damage, handles } = this.#deps
    const layout = new PieceLayout(entry.digest, entry.size)
    const keeper: BlobKeeper = {
      damaged: (piece) => damage.ofBlob(entry, layout, piece, proofs),
      closed: () => {
        entry.users--
        handles.delete(blob)
      },
    }
    const blob: StoredBlob = new DiskStoredBlob(layout, { file, proofs, recent: this.#recent }, keeper)
    handles.add(blob)
    return blob
  }
}

async function close({ entry, file }: OpenFile): Promise<void> {
  entry.users--
  await file.close()
}

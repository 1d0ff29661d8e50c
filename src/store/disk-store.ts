import type { FileHandle } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import type { PieceProofs } from '../piece/piece-proof.ts'
import { packedProofs } from '../piece/piece-proof.ts'
import type { BlobEntry } from './blob-entries.ts'
import { BlobProofs, proofsOfBytes, proofsRow } from './blob-proofs.ts'
import { isPartialEntry } from './catalogue.ts'
import { Damage } from './damage.ts'
import { isMissing, openEmpty, readIfThere, removeFile, storeError, writeFully } from './files.ts'
import type { FormatDeps } from './format-file.ts'
import { prepareDirectory } from './format-file.ts'
import { Gate } from './gate.ts'
import type {
  BlobStore,
  PartialBlob,
  StoreDamage,
  StoredBlob,
  StoreEntry,
  StoreTable,
  StoreUsage,
  TableCodec,
} from './interface.ts'
import { KeyedLock } from './keyed-lock.ts'
import { LevelTable } from './level-table.ts'
import { countRepairs, storeMetrics } from './metrics.ts'
import { openIndex } from './open-index.ts'
import type { PartialDeps } from './open-partial.ts'
import { openPartial } from './open-partial.ts'
import type { StoreDeps, StoreOptions } from './options.ts'
import { StorePaths } from './paths.ts'
import { RecentPieces } from './recent-pieces.ts'
import { encodePinRow, pinKey } from './rows.ts'
import { Shelf } from './shelf.ts'
import { Space } from './space.ts'
import type { BlobKeeper } from './stored-blob.ts'
import { DiskStoredBlob } from './stored-blob.ts'

interface StoreParts extends PartialDeps {
  readonly proofs: BlobProofs
}

/**
 * The blob store on a local disk: one file per blob, an index beside them (FORMAT.md). Operations on one digest run
 * one at a time; room is made before bytes are promised; sums and lists come from memory.
 */
export class DiskStore implements BlobStore {
  readonly #parts: StoreParts
  readonly #logger: Logger
  readonly #clock: Pick<Clock, 'wall'>
  readonly #recent = new RecentPieces()
  readonly #gate = new Gate('the store')
  readonly #handles = new Set<AsyncDisposable>()
  #disposal: Promise<void> | undefined

  private constructor(parts: StoreParts, { logger, clock }: Pick<FormatDeps, 'logger' | 'clock'>) {
    this.#parts = parts
    this.#logger = logger
    this.#clock = clock
  }

  /**
   * Opens the store, making it if need be, and repairs what a crash left. Throws `STORE_FAILED` when the directory is
   * no store, of another format, in use by another process, or cannot be read.
   */
  static async open(options: StoreOptions, deps: StoreDeps): Promise<DiskStore> {
    const logger = deps.logger.child({ room: 'store' })
    const clock = deps.clock ?? systemClock
    const now = options.now ?? (() => clock.wall())
    const paths = new StorePaths(options.path)
    const formatLost = await prepareDirectory(paths, { clock, logger })
    const { index, catalogue, way, recovered } = await openIndex({ paths, logger, clock, now })
    try {
      const locks = new KeyedLock()
      const shelf = new Shelf({ paths, index, catalogue, logger })
      const space: Space = new Space(
        {
          catalogue,
          clock,
          logger,
          isBusy: (digest) => locks.busy(digest),
          evict: (entry) =>
            locks.run(entry.digest, () => (isPartialEntry(entry) ? shelf.erasePartial(entry) : shelf.eraseBlob(entry))),
          evictedBytes: (bytes) => metrics.evictedBytes.inc({}, bytes),
        },
        { path: paths.root, capacityBytes: options.capacityBytes, minFreeBytes: options.minFreeBytes },
      )
      const metrics = storeMetrics(deps.metrics, () => store.usage())
      countRepairs(metrics, { formatLost, way, recovered })
      const damage = new Damage({ catalogue, shelf, locks, logger, corrupt: metrics.corrupt })
      const proofs = new BlobProofs(index)
      const parts = { paths, index, catalogue, shelf, space, locks, now, damage, proofs }
      const store: DiskStore = new DiskStore(parts, { logger, clock })
      await space.trim()
      return store
    } catch (error) {
      await index[Symbol.asyncDispose]()
      throw error
    }
  }

  size(digest: Digest): number | undefined {
    return this.#parts.catalogue.blobs.get(digest)?.size
  }

  isKept(digest: Digest): boolean {
    return this.size(digest) !== undefined
  }

  open(digest: Digest, purpose: 'read' | 'check' = 'read'): Promise<StoredBlob | undefined> {
    return this.#gate.run(() => this.#open(digest, purpose))
  }

  readSmall(digest: Digest, maxBytes: number): Promise<Uint8Array | undefined> {
    return this.#gate.run(async () => {
      const size = this.size(digest)
      if (size === undefined || size > maxBytes) return undefined
      const opened = await this.#openFile(digest)
      if (opened === undefined) return undefined
      const { entry, file } = opened
      try {
        const bytes = new Uint8Array(size)
        if ((await readIfThere(file, bytes, 0)) && digestOf(bytes, digest) === digest) return bytes
        await this.#parts.damage.ofBlob(entry, new PieceLayout(digest, size), 0)
        return undefined
      } finally {
        entry.users--
        await file.close()
      }
    })
  }

  proofs(digest: Digest): Promise<Uint8Array | undefined> {
    return this.#gate.run(async () => {
      const size = this.size(digest)
      const known = size === undefined ? undefined : await this.#parts.proofs.find(new PieceLayout(digest, size))
      if (size === undefined || known !== undefined) return known
      const opened = await this.#openFile(digest)
      if (opened === undefined) return undefined
      const { entry, file } = opened
      try {
        return await this.#proofs(entry, file)
      } finally {
        entry.users--
        await file.close()
      }
    })
  }

  onDamage(listener: (damage: StoreDamage) => void): Disposable {
    return this.#parts.damage.listen(listener)
  }

  putSmall(digest: Digest, bytes: Uint8Array): Promise<void> {
    return this.#gate.run(async () => {
      if (digestOf(bytes, digest) !== digest) {
        throw new ShoalError('CONTENT_CORRUPT', `${bytes.length} bytes do not match ${digest}`, { details: { digest } })
      }
      await this.#parts.locks.run(digest, () => this.#withDirectories(() => this.#put(digest, bytes)))
    })
  }

  openPartial(layout: PieceLayout): Promise<PartialBlob> {
    return this.#gate.run(() =>
      this.#parts.locks.run(layout.digest, async () => {
        const partial = await this.#withDirectories(() =>
          openPartial(this.#parts, layout, () => this.#handles.delete(partial)),
        )
        this.#handles.add(partial)
        return partial
      }),
    )
  }

  remove(digest: Digest): Promise<void> {
    const { catalogue, shelf, locks } = this.#parts
    return this.#gate.run(() =>
      locks.run(digest, async () => {
        const blob = catalogue.blobs.get(digest)
        const partial = catalogue.partials.get(digest)
        if (blob === undefined && partial?.isOpen === true) {
          throw new ShoalError('STORE_FAILED', `the partial of ${digest} is open and cannot be removed`)
        }
        if (blob !== undefined) await shelf.eraseBlob(blob)
        if (partial?.isOpen === false) await shelf.erasePartial(partial)
      }),
    )
  }

  pin(digest: Digest, untilEpochMs: number): Promise<void> {
    const { catalogue, index } = this.#parts
    return this.#gate.run(async () => {
      if (Number.isNaN(untilEpochMs)) throw new ShoalError('STORE_FAILED', 'a pin needs a time, or Infinity')
      catalogue.pins.set(digest, untilEpochMs)
      const expired = catalogue.pins.expire()
      await index.write([[pinKey(digest), encodePinRow(untilEpochMs)], ...expired.map(pinDelete)], { sync: true })
    })
  }

  unpin(digest: Digest): Promise<void> {
    return this.#gate.run(async () => {
      this.#parts.catalogue.pins.delete(digest)
      await this.#parts.index.write([pinDelete(digest)], { sync: true })
    })
  }

  onShortage(letGo: () => Promise<void>): Disposable {
    return this.#parts.space.onShortage(letGo)
  }

  /** Evicts as far as the floor of free space asks for. */
  makeRoom(): Promise<void> {
    return this.#gate.run(() => this.#parts.space.makeRoom())
  }

  /** Takes up other bounds, and evicts what is above them. */
  resize(bounds: { readonly capacityBytes: number; readonly minFreeBytes: number }): Promise<void> {
    return this.#gate.run(() => this.#parts.space.resize(bounds))
  }

  usage(): StoreUsage {
    const { catalogue, space } = this.#parts
    return {
      capacityBytes: space.capacityBytes,
      completeBytes: catalogue.blobs.bytes,
      partialBytes: catalogue.partials.bytes,
      pinnedBytes: catalogue.pinnedBytes,
      evictedBytes: space.evictedBytes,
      diskFull: space.alarm,
      state: space.alarm ? 'full' : 'ok',
    }
  }

  list(): readonly StoreEntry[] {
    return this.#parts.catalogue.list()
  }

  table<T>(name: string, codec: TableCodec<T>): StoreTable<T> {
    return new LevelTable(this.#parts.index, name, codec)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose()
    return this.#disposal
  }

  async #dispose(): Promise<void> {
    const { space, shelf, index } = this.#parts
    await this.#gate.close()
    await Promise.allSettled(Array.from(this.#handles, (handle) => handle[Symbol.asyncDispose]()))
    await space[Symbol.asyncDispose]()
    shelf.saveUses()
    await index[Symbol.asyncDispose]()
  }

  /** Somebody may have deleted the store's directories while it is open: they are made again. */
  async #withDirectories<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!isMissing(error instanceof Error ? (error.cause ?? error) : error)) throw error
      const { paths, shelf } = this.#parts
      this.#logger.warn({ path: paths.root }, 'directories of the store are gone: made again')
      await prepareDirectory(paths, { clock: this.#clock, logger: this.#logger }, true)
      shelf.forgetDirectories()
      return await work()
    }
  }

  async #open(digest: Digest, purpose: 'read' | 'check'): Promise<StoredBlob | undefined> {
    const opened = await this.#openFile(digest, purpose)
    if (opened === undefined) return undefined
    const { entry, file } = opened
    let kept = false
    try {
      const packed = await this.#proofs(entry, file)
      if (packed === undefined) return undefined
      kept = true
      return this.#handle(entry, file, packedProofs(packed))
    } finally {
      if (!kept) {
        entry.users--
        await file.close()
      }
    }
  }

  /** The proofs of a blob that is open; damaged content, found while they are made anew, is dropped. */
  async #proofs({ digest }: BlobEntry, file: FileHandle): Promise<Uint8Array | undefined> {
    const { proofs, locks, damage, catalogue } = this.#parts
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

  /** Opens a blob's file and counts as its user. */
  async #openFile(
    digest: Digest,
    purpose: 'read' | 'check' = 'read',
  ): Promise<{ readonly entry: BlobEntry; readonly file: FileHandle } | undefined> {
    const { catalogue, shelf, locks } = this.#parts
    const entry = catalogue.blobs.get(digest)
    if (entry === undefined) return undefined
    if (purpose === 'read') shelf.touch(entry)
    entry.users++
    let opened = false
    try {
      const file = await shelf.openBlob(entry)
      if (file !== undefined) {
        opened = true
        return { entry, file }
      }
    } finally {
      if (!opened) entry.users--
    }
    await locks.run(digest, () => shelf.eraseBlob(entry))
    return undefined
  }

  #handle(entry: BlobEntry, file: FileHandle, proofs: PieceProofs): StoredBlob {
    const layout = new PieceLayout(entry.digest, entry.size)
    const keeper: BlobKeeper = {
      damaged: (piece) => this.#parts.damage.ofBlob(entry, layout, piece, proofs),
      closed: () => {
        entry.users--
        this.#handles.delete(blob)
      },
    }
    const blob: StoredBlob = new DiskStoredBlob(layout, { file, proofs, recent: this.#recent }, keeper)
    this.#handles.add(blob)
    return blob
  }

  /** Writes a small blob whole, under the digest's lock. */
  async #put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const { catalogue, shelf, space, paths, now } = this.#parts
    const existing = catalogue.blobs.get(digest)
    if (existing !== undefined) {
      shelf.touch(existing)
      return
    }
    const path = paths.staging(digest)
    try {
      const file = await space.create(() => openEmpty(path))
      try {
        await space.write(bytes.length, () => writeFully(file, bytes, 0))
        const blob = { digest, size: bytes.length, lastUsedEpochMs: now() }
        const layout = new PieceLayout(digest, bytes.length)
        const rows = [...proofsRow(layout, proofsOfBytes(layout, bytes))]
        await space.create(() => shelf.place(blob, { file, path }, rows))
        catalogue.blobs.add(digest, blob.size, blob.lastUsedEpochMs)
        const partial = catalogue.partials.get(digest)
        if (partial?.isOpen === false) await shelf.erasePartial(partial)
      } finally {
        await file.close()
      }
    } catch (error) {
      await removeFile(path).catch(() => {})
      throw storeError(error, `blob ${digest} cannot be stored`)
    }
  }
}

function pinDelete(digest: Digest): readonly [string, undefined] {
  return [pinKey(digest), undefined]
}

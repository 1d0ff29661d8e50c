import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import { BlobFiles } from './blob-files.ts'
import { BlobProofs, proofsOfBytes, proofsRow } from './blob-proofs.ts'
import { BlobReads } from './blob-reads.ts'
import { isPartialEntry } from './catalogue.ts'
import { Damage } from './damage.ts'
import { DiskBudget } from './disk-budget.ts'
import { isGone, openEmpty, removeFile, storeError, writeFully } from './files.ts'
import type { FormatDeps } from './format-file.ts'
import { prepareDirectory } from './format-file.ts'
import { InFlight } from './in-flight.ts'
import type {
  BlobStore,
  PartialBlob,
  StoreBounds,
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
import { encodePinRow, pinKey } from './rows.ts'

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
  readonly #reads: BlobReads
  readonly #gate = new InFlight('the store')
  readonly #handles = new Set<AsyncDisposable>()
  #disposal: Promise<void> | undefined

  private constructor(parts: StoreParts, { logger, clock }: Pick<FormatDeps, 'logger' | 'clock'>) {
    this.#parts = parts
    this.#reads = new BlobReads({ ...parts, handles: this.#handles })
    this.#logger = logger
    this.#clock = clock
  }

  /**
   * Opens the store, making it if need be, and repairs what a crash left. Throws `STORE_FAILED` when the directory is
   * no store, of another format, in use by another process, or cannot be read.
   */
  static async open(options: StoreOptions, deps: StoreDeps): Promise<DiskStore> {
    const { logger } = deps
    const clock = deps.clock ?? systemClock
    const now = (): number => clock.wall()
    const paths = new StorePaths(options.path)
    const formatLost = await prepareDirectory(paths, { clock, logger })
    const { index, catalogue, way, recovered } = await openIndex({ paths, logger, clock, now })
    try {
      const locks = new KeyedLock()
      const blobFiles = new BlobFiles({ paths, index, catalogue, logger })
      const space: DiskBudget = new DiskBudget(
        {
          catalogue,
          clock,
          logger,
          isBusy: (digest) => locks.busy(digest),
          evict: (entry) =>
            locks.run(entry.digest, () =>
              isPartialEntry(entry) ? blobFiles.erasePartial(entry) : blobFiles.eraseBlob(entry),
            ),
          evictedBytes: (bytes) => metrics.evictedBytes.inc({}, bytes),
        },
        { path: paths.root, capacityBytes: options.capacityBytes, minFreeBytes: options.minFreeBytes },
      )
      const metrics = storeMetrics(deps.metrics, () => store.usage())
      countRepairs(metrics, { formatLost, way, recovered })
      index.onMended((mended) => {
        metrics.repairs.inc({ what: mended === 'repaired' ? 'index_repaired' : 'index_anew' })
        blobFiles.saveAll()
      })
      const damage = new Damage({ catalogue, blobFiles, locks, logger, corrupt: metrics.corrupt })
      const proofs = new BlobProofs(index)
      const parts = { paths, index, catalogue, blobFiles, space, locks, now, damage, proofs }
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
    return this.#gate.run(() => this.#reads.open(digest, purpose))
  }

  readSmall(digest: Digest, maxBytes: number): Promise<Uint8Array | undefined> {
    return this.#gate.run(() => this.#reads.readSmall(digest, maxBytes))
  }

  proofs(digest: Digest): Promise<Uint8Array | undefined> {
    return this.#gate.run(() => this.#reads.proofs(digest))
  }

  keepStates(digest: Digest, states: Uint8Array): Promise<void> {
    const { catalogue, locks, proofs } = this.#parts
    return this.#gate.run(() =>
      locks.run(digest, async () => {
        const size = catalogue.blobs.get(digest)?.size
        if (size !== undefined) await proofs.keepStates(new PieceLayout(digest, size), states)
      }),
    )
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
    const { catalogue, blobFiles, locks } = this.#parts
    return this.#gate.run(() =>
      locks.run(digest, async () => {
        const blob = catalogue.blobs.get(digest)
        const partial = catalogue.partials.get(digest)
        if (blob === undefined && partial?.isOpen === true) {
          throw new ShoalError('STORE_FAILED', `the partial of ${digest} is open and cannot be removed`)
        }
        if (blob !== undefined) await blobFiles.eraseBlob(blob)
        if (partial?.isOpen === false) await blobFiles.erasePartial(partial)
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
  resize(bounds: StoreBounds): Promise<void> {
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
    const { space, blobFiles, index } = this.#parts
    await this.#gate.close()
    await Promise.allSettled(Array.from(this.#handles, (handle) => handle[Symbol.asyncDispose]()))
    await space[Symbol.asyncDispose]()
    blobFiles.saveUses()
    await index[Symbol.asyncDispose]()
  }

  /** Somebody may have deleted the store's directories while it is open: they are made again. */
  async #withDirectories<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!isGone(error instanceof Error ? (error.cause ?? error) : error)) throw error
      const { paths, blobFiles } = this.#parts
      this.#logger.warn({ path: paths.root }, 'the directories of the store were gone and were made again')
      await prepareDirectory(paths, { clock: this.#clock, logger: this.#logger }, true)
      blobFiles.forgetDirectories()
      return await work()
    }
  }

  /** Writes a small blob whole, under the digest's lock. */
  async #put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const { catalogue, blobFiles, space, paths, now } = this.#parts
    const existing = catalogue.blobs.get(digest)
    if (existing !== undefined) {
      blobFiles.touch(existing)
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
        await space.create(() => blobFiles.place(blob, { file, path }, rows))
        catalogue.blobs.add(digest, blob.size, blob.lastUsedEpochMs)
        const partial = catalogue.partials.get(digest)
        if (partial?.isOpen === false) await blobFiles.erasePartial(partial)
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

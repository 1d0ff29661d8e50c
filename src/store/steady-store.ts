import { randomBytes } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import { PieceLayout } from '../piece/piece-layout.ts'
import { packProofs } from '../piece/piece-proof.ts'
import type { DiskCall, DiskState } from './disk-health.ts'
import { DISK_STATES, DiskHealth, diskStateOf } from './disk-health.ts'
import { DiskStore } from './disk-store.ts'
import { GuardedBlob, GuardedPartial } from './guarded-content.ts'
import { HeldPartial } from './held-partial.ts'
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
import { MemoryBlobs } from './memory-blobs.ts'
import { copyBlob, writeAll } from './memory-copy.ts'
import type { StoreDeps, StoreOptions } from './options.ts'
import { DEFAULT_MEMORY_BYTES } from './options.ts'
import { StorePaths } from './paths.ts'
import { makeRoomAtStart } from './room-at-start.ts'
import { RAW_ROWS, SteadyTable } from './steady-table.ts'
import { UnwrittenRows } from './unwritten-rows.ts'

const PROBE_BYTES = 4096
/** Disposal does not wait longer for a disk that hangs. */
const CLOSE_MS = 5_000

/**
 * The store as everybody else sees it: on disk while the disk can be used. While it is full, read-only, failing or frozen,
 * from the start or later, blobs are held in memory within a bound and rows of tables until the disk takes them; what
 * is readable on disk is still read. Recovers by itself.
 */
export class SteadyStore implements BlobStore {
  readonly #options: StoreOptions
  readonly #deps: StoreDeps
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #health: DiskHealth
  readonly #memory: MemoryBlobs
  readonly #unwritten = new UnwrittenRows()
  /** Pins that the disk has not taken; undefined: taken away. */
  readonly #pins = new Map<Digest, number | undefined>()
  readonly #shortage = new Set<() => Promise<void>>()
  readonly #damage = new Set<(damage: StoreDamage) => void>()
  #disk: DiskStore | undefined
  /** It has been said that something held in memory cannot be stored yet. */
  #isLate = false
  #sizes: StoreBounds

  private constructor(options: StoreOptions, deps: StoreDeps) {
    this.#options = options
    this.#sizes = options
    this.#deps = deps
    this.#logger = deps.logger
    this.#clock = deps.clock ?? systemClock
    this.#memory = new MemoryBlobs(options.memoryBytes ?? DEFAULT_MEMORY_BYTES)
    const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4)
    this.#health = new DiskHealth(
      {
        clock: this.#clock,
        logger: this.#logger,
        path: options.path,
        probe: () => this.#probe(),
        recovered: () => this.#recovered(),
      },
      threads,
    )
    deps.metrics.gauge('shoal_store_state', 'How the disk of the store is: 1 for its state.', ['state'], (gauge) => {
      for (const state of DISK_STATES) gauge.set({ state }, state === this.state ? 1 : 0)
    })
    deps.metrics.gauge('shoal_store_memory_bytes', 'Bytes of blobs held in memory instead.', [], (gauge) =>
      gauge.set({}, this.#memory.bytes),
    )
  }

  /**
   * Opens the store. A disk that cannot be used is no reason not to: the store is opened there once it can be. Throws
   * `STORE_FAILED` when the directory is not a store's, of another format, in use by another process, or not permitted.
   */
  static async open(options: StoreOptions, deps: StoreDeps): Promise<SteadyStore> {
    const store = new SteadyStore(options, deps)
    try {
      await store.#openDisk()
    } catch (error) {
      if (diskStateOf(error) === undefined) {
        await store[Symbol.asyncDispose]()
        throw error
      }
      store.#health.note(error)
    }
    return store
  }

  get state(): DiskState {
    const { state } = this.#health
    // a disk that is well may have no room for what is kept there
    return state === 'ok' && this.#disk !== undefined ? this.#disk.usage().state : state
  }

  size(digest: Digest): number | undefined {
    return this.#memory.size(digest) ?? this.#readable()?.size(digest)
  }

  isKept(digest: Digest): boolean {
    return this.#readable()?.size(digest) !== undefined
  }

  async open(digest: Digest, purpose: 'read' | 'check' = 'read'): Promise<StoredBlob | undefined> {
    const held = this.#memory.open(digest)
    if (held !== undefined) return held
    const stored = await this.#read(
      (disk) => disk.open(digest, purpose),
      (late) => late?.[Symbol.asyncDispose](),
    )
    return stored === undefined ? undefined : new GuardedBlob(stored, this.#health)
  }

  async readSmall(digest: Digest, maxBytes: number): Promise<Uint8Array | undefined> {
    const size = this.#memory.size(digest)
    if (size === undefined) return await this.#read((disk) => disk.readSmall(digest, maxBytes))
    if (size > maxBytes) return undefined
    return await copyBlob(this.#memory.open(digest))
  }

  async proofs(digest: Digest): Promise<Uint8Array | undefined> {
    const size = this.#memory.size(digest)
    if (size === undefined) return await this.#read((disk) => disk.proofs(digest))
    return packProofs(new PieceLayout(digest, size), (piece) => this.#memory.hash(digest, piece))
  }

  async keepStates(digest: Digest, states: Uint8Array): Promise<void> {
    if (this.#memory.size(digest) === undefined) await this.#read((disk) => disk.keepStates(digest, states))
  }

  async putSmall(digest: Digest, bytes: Uint8Array): Promise<void> {
    if (digestOf(bytes, digest) !== digest) {
      throw new ShoalError('CONTENT_CORRUPT', `${bytes.length} bytes do not match ${digest}`, { details: { digest } })
    }
    if (this.#memory.size(digest) !== undefined) return
    await this.#write(
      'put',
      (disk) => disk.putSmall(digest, bytes),
      async () => {
        await using partial = this.#memory.openPartial(new PieceLayout(digest, bytes.length))
        await writeAll(partial, bytes)
      },
    )
  }

  async openPartial(layout: PieceLayout, options: { readonly onDisk?: boolean } = {}): Promise<PartialBlob> {
    if (this.#memory.size(layout.digest) !== undefined) {
      throw new ShoalError('STORE_FAILED', `blob ${layout.digest} is complete already`)
    }
    const opened = await this.#write<PartialBlob>(
      'put',
      (disk) => disk.openPartial(layout),
      async (error) => {
        if (options.onDisk === true) throw error
        return this.#memory.openPartial(layout)
      },
      (late) => late[Symbol.asyncDispose](),
    )
    return opened instanceof HeldPartial ? opened : new GuardedPartial(opened, this.#health)
  }

  async remove(digest: Digest): Promise<void> {
    this.#memory.remove(digest)
    await this.#disk?.remove(digest)
  }

  async pin(digest: Digest, untilEpochMs: number): Promise<void> {
    await this.#pin(digest, untilEpochMs)
  }

  async unpin(digest: Digest): Promise<void> {
    await this.#pin(digest, undefined)
  }

  onShortage(letGo: () => Promise<void>): Disposable {
    this.#shortage.add(letGo)
    return { [Symbol.dispose]: () => void this.#shortage.delete(letGo) }
  }

  onDamage(listener: (damage: StoreDamage) => void): Disposable {
    this.#damage.add(listener)
    return { [Symbol.dispose]: () => void this.#damage.delete(listener) }
  }

  async resize(sizes: StoreBounds): Promise<void> {
    this.#sizes = sizes
    await this.#disk?.resize(sizes)
  }

  usage(): StoreUsage {
    const none = { completeBytes: 0, partialBytes: 0, pinnedBytes: 0, evictedBytes: 0 }
    const usage = this.#disk?.usage() ?? { ...none, capacityBytes: this.#sizes.capacityBytes }
    return { ...usage, state: this.state }
  }

  list(): readonly StoreEntry[] {
    return this.#disk?.list() ?? []
  }

  table<T>(name: string, codec: TableCodec<T>): StoreTable<T> {
    const disk = (): StoreTable<Uint8Array> | undefined => this.#disk?.table(name, RAW_ROWS)
    return new SteadyTable({ name, codec, disk, unwritten: this.#unwritten, health: this.#health })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#health[Symbol.asyncDispose]()
    const closing = this.#disk?.[Symbol.asyncDispose]()
    if (closing === undefined) return
    const limit = Promise.withResolvers<void>()
    using _timer = this.#clock.after(CLOSE_MS, limit.resolve)
    await Promise.race([closing, this.#health.state === 'stalled' ? limit.promise : closing])
  }

  #readable(): DiskStore | undefined {
    return this.#health.isReadable ? this.#disk : undefined
  }

  async #read<T>(
    call: (disk: DiskStore) => Promise<T | undefined>,
    late?: (result: T | undefined) => unknown,
  ): Promise<T | undefined> {
    const disk = this.#disk
    // what a disk that is not well cannot give is fetched elsewhere
    return disk === undefined ? undefined : await this.#health.tried('read', () => call(disk), late)
  }

  /** On disk, or when that cannot be, otherwise. */
  async #write<T>(
    call: DiskCall,
    onDisk: (disk: DiskStore) => Promise<T>,
    otherwise: (error: unknown) => Promise<T>,
    late?: (result: T) => unknown,
  ): Promise<T> {
    const disk = this.#health.isWritable ? this.#disk : undefined
    if (disk === undefined) return await otherwise(this.#unusable())
    try {
      return await this.#health.run(call, () => onDisk(disk), late)
    } catch (error) {
      if (!this.#health.isToBlame(error) && !isFault(error)) throw error
      try {
        return await otherwise(error)
      } catch {
        // why the disk did not take it says more
        throw error
      }
    }
  }

  #unusable(): ShoalError {
    const state = this.#health.state
    return new ShoalError(
      state === 'full' ? 'STORE_DISK_FULL' : 'STORE_FAILED',
      `the disk of the store at ${this.#options.path} cannot be used now (${state})`,
    )
  }

  async #pin(digest: Digest, untilEpochMs: number | undefined): Promise<void> {
    const set = (disk: DiskStore): Promise<void> =>
      untilEpochMs === undefined ? disk.unpin(digest) : disk.pin(digest, untilEpochMs)
    await this.#write('row', set, async () => void this.#pins.set(digest, untilEpochMs))
  }

  async #openDisk(): Promise<void> {
    const options = { ...this.#options, ...this.#sizes }
    try {
      this.#disk = await DiskStore.open(options, this.#deps)
    } catch (error) {
      if (diskStateOf(error) !== 'full') throw error
      if ((await makeRoomAtStart(new StorePaths(options.path), this.#logger)) === 0) throw error
      this.#disk = await DiskStore.open(options, this.#deps)
    }
    this.#disk.onShortage(async () => void (await Promise.allSettled(Array.from(this.#shortage, (letGo) => letGo()))))
    this.#disk.onDamage((damage) => {
      for (const listener of this.#damage) listener(damage)
    })
  }

  /** Opens the store if it is not, or writes and deletes a small file beside it. */
  async #probe(): Promise<void> {
    if (this.#disk === undefined) return await this.#openDisk()
    await this.#disk.makeRoom()
    const path = join(this.#options.path, `.probe-${randomBytes(4).toString('hex')}`)
    const file = await open(path, 'w')
    try {
      await file.write(new Uint8Array(PROBE_BYTES))
      await file.sync()
    } finally {
      await file.close()
      await rm(path, { force: true })
    }
  }

  /**
   * Gives the disk what it did not take meanwhile; what fails again stays in memory, and so does what is still arriving there.
   * Whether nothing is left.
   */
  async #recovered(): Promise<boolean> {
    const disk = this.#disk
    if (disk === undefined) return true
    try {
      for (const { table, key, value } of this.#unwritten.all()) {
        const rows = disk.table(table, RAW_ROWS)
        await (value === undefined ? rows.delete(key) : rows.put(key, value))
        if (this.#unwritten.get(table, key)?.value === value) this.#unwritten.forget(table, key)
      }
      for (const [digest, until] of this.#pins) {
        await (until === undefined ? disk.unpin(digest) : disk.pin(digest, until))
        this.#pins.delete(digest)
      }
      let failure: unknown
      // one that the disk has no room for keeps no other from it
      for (const digest of this.#memory.digests()) {
        await this.#settle(disk, digest).catch((error: unknown) => {
          failure ??= error
        })
      }
      if (failure !== undefined) throw failure
    } catch (error) {
      this.#health.note(error)
      if (!this.#isLate) this.#logger.warn({ err: error }, 'what was held in memory cannot be stored yet')
      this.#isLate = true
      return false
    }
    this.#isLate = false
    return this.#memory.bytes === 0
  }

  /** Moves a blob from memory to the disk. */
  async #settle(disk: DiskStore, digest: Digest): Promise<void> {
    await using held = this.#memory.open(digest)
    if (held === undefined) return
    if (disk.size(digest) === undefined) {
      const bytes = new Uint8Array(held.size)
      await held.readInto(bytes, 0)
      await using partial = await disk.openPartial(held.layout)
      await writeAll(partial, bytes)
    }
    this.#memory.remove(digest)
  }
}

/** Whether an error is the disk's or the system's, and no misuse of ours. */
function isFault(error: unknown): boolean {
  return isShoalError(error, 'STORE_DISK_FULL') || (isShoalError(error, 'STORE_FAILED') && error.cause !== undefined)
}

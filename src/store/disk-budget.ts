import type { Clock } from '../base/clock.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import { freeSpace } from '../base/free-space.ts'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobEntry } from './blob-entries.ts'
import type { Catalogue } from './catalogue.ts'
import { entryBytes } from './catalogue.ts'
import { isDiskFull, storeError } from './files.ts'
import type { StoreBounds } from './interface.ts'
import { KeyedLock } from './keyed-lock.ts'
import { ALARM_RECHECK_MS, HIGH_MARK, LOW_MARK } from './options.ts'
import type { PartialEntry } from './partial-entries.ts'

interface DiskBudgetOptions extends StoreBounds {
  /** A path on the file system whose free space counts. */
  readonly path: string
}

interface DiskBudgetDeps {
  readonly catalogue: Catalogue
  readonly clock: Clock
  readonly logger: Logger
  /** Whether an operation on this digest runs, so that it must not be evicted now. */
  readonly isBusy: (digest: Digest) => boolean
  /** Deletes an entry nobody uses. The first thing it does, at once, is to take it out of the catalogue. */
  readonly evict: (entry: BlobEntry | PartialEntry) => Promise<void>
  /** Told of bytes given back. */
  readonly evictedBytes: (bytes: number) => void
}

type Shortage = { readonly of: 'capacity' | 'free space'; readonly freeBytes: number }

const LOCK = 'space'
/** Files given up at once for want of inodes: the index needs some, too. */
const EVICTED_FOR_INODES = 32
/** What a try of the disk needs. */
const PROBED_BYTES = 1024 * 1024

/** How long a look at the file system's free space is good for: a look for each piece would cost as much as its write. */
const FREE_SPACE_MS = 250
/** Evicted at once when the disk turns out full: one piece's worth would have each of them come back for more. */
const FULL_DISK_BYTES = 32 * 1024 * 1024

/**
 * Makes room for bytes as they come: within the capacity, and above the floor of the file system. Nothing is evicted or held
 * free for bytes that have only been announced; what could never be kept is refused before it comes. One request at a time
 * looks and evicts, so that several never count on the same bytes. A refusal raises the alarm; it falls by itself once what
 * was refused would fit.
 */
export class DiskBudget implements AsyncDisposable {
  #options: DiskBudgetOptions
  readonly #deps: DiskBudgetDeps
  readonly #turn = new KeyedLock()
  readonly #holders = new Set<() => Promise<void>>()
  #evictedBytes = 0
  #refusedBytes: number | undefined
  /** Free space by the last look, less what was admitted since. */
  #seenFree: { readonly at: number; bytes: number } | undefined
  #recheck: Disposable | undefined
  #disposed = false

  constructor(deps: DiskBudgetDeps, options: DiskBudgetOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** Whether the last request for room was refused and could still not be met. */
  get alarm(): boolean {
    return this.#refusedBytes !== undefined
  }

  get capacityBytes(): number {
    return this.#options.capacityBytes
  }

  /** Takes up other bounds; what is above them leaves now. */
  async resize(bounds: StoreBounds): Promise<void> {
    this.#options = { ...this.#options, ...bounds }
    await this.trim()
  }

  get evictedBytes(): number {
    return this.#evictedBytes
  }

  /**
   * Throws `STORE_DISK_FULL` when `bytes` more could not be kept beside what is pinned, in use or arriving, whatever is evicted;
   * else calls `take` before anyone else asks. Evicts nothing: that is for when they come.
   */
  expect(bytes: number, take: () => void): Promise<void> {
    return this.#turn.run(LOCK, async () => {
      const shortage = await this.#certainShortage(bytes + this.#deps.catalogue.partials.arrivingBytes, bytes)
      if (shortage !== undefined) throw this.#refuse(bytes, shortage)
      this.#admitted(bytes)
      take()
    })
  }

  /** Has `letGo` called when room is wanting: what it holds open and does not need may then be evicted. */
  onShortage(letGo: () => Promise<void>): Disposable {
    this.#holders.add(letGo)
    return { [Symbol.dispose]: () => void this.#holders.delete(letGo) }
  }

  /** Evicts down to the low mark when above the high one: after a start with a smaller capacity, or by command. */
  trim(): Promise<void> {
    return this.#turn.run(LOCK, () => this.#evictToMarks(0))
  }

  /**
   * Makes room for `bytes` and runs the write of them. When the disk is full all the same (others write too), evicts and
   * tries once more; then throws `STORE_DISK_FULL`.
   */
  async write(bytes: number, attempt: () => Promise<void>): Promise<void> {
    const { catalogue } = this.#deps
    if (this.#fitsForSure(bytes)) catalogue.writing(bytes)
    else await this.#turn.run(LOCK, () => this.#admit(bytes))
    try {
      await this.#attempt(bytes, attempt)
    } finally {
      catalogue.writing(-bytes)
    }
  }

  /**
   * Runs what makes a file. On a disk without inodes evicts some blobs and tries once more; then throws `STORE_DISK_FULL`.
   */
  async create<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt()
    } catch (error) {
      if (!isFull(error)) throw error
    }
    await this.#turn.run(LOCK, async () => void (await this.#evict(1, EVICTED_FOR_INODES)))
    try {
      return await attempt()
    } catch (error) {
      if (!isFull(error)) throw error
      throw this.#refusal(0, { of: 'free space', freeBytes: await this.#freeBytes() }, error)
    }
  }

  /** Evicts as far as the floor of free space asks for, now. */
  makeRoom(): Promise<void> {
    return this.#turn.run(LOCK, async () => {
      const lacking = this.#lackingBytes(PROBED_BYTES, await this.#freeBytes())
      const { files, totalFiles } = await freeSpace(this.#options.path)
      await this.#evict(lacking, totalFiles > 0 && files < EVICTED_FOR_INODES ? EVICTED_FOR_INODES : 0)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#recheck?.[Symbol.dispose]()
    await this.#turn.run(LOCK, async () => {})
  }

  /** Without a look at the disk: far from the high mark, and from the floor by the last look. */
  #fitsForSure(bytes: number): boolean {
    const { clock, catalogue } = this.#deps
    const seen = this.#seenFree
    if (seen === undefined || clock.now() - seen.at > FREE_SPACE_MS || !this.#belowHighMark(bytes)) return false
    seen.bytes -= bytes
    return seen.bytes - catalogue.writingBytes >= this.#options.minFreeBytes
  }

  async #admit(bytes: number): Promise<void> {
    const shortage = await this.#makeRoom(bytes)
    if (shortage !== undefined) throw this.#refuse(bytes, shortage)
    this.#admitted(bytes)
    this.#deps.catalogue.writing(bytes)
  }

  async #attempt(bytes: number, attempt: () => Promise<void>): Promise<void> {
    try {
      await attempt()
      return
    } catch (error) {
      if (!isDiskFull(error)) throw storeError(error, 'a blob cannot be written')
    }
    this.#seenFree = undefined
    await this.#turn.run(LOCK, () => this.#evict(Math.max(bytes, FULL_DISK_BYTES)))
    try {
      await attempt()
    } catch (error) {
      if (!isDiskFull(error)) throw storeError(error, 'a blob cannot be written')
      this.#raiseAlarm(bytes)
      throw this.#refusal(bytes, { of: 'free space', freeBytes: await this.#freeBytes() }, error)
    }
  }

  /** That something smaller fits does not end the alarm. */
  #admitted(bytes: number): void {
    if (bytes >= (this.#refusedBytes ?? 0)) this.#clearAlarm()
  }

  /** What never fits says nothing about the disk: others may still write. */
  #refuse(bytes: number, shortage: Shortage): ShoalError {
    if (bytes <= this.#options.capacityBytes) this.#raiseAlarm(bytes)
    return this.#refusal(bytes, shortage)
  }

  async #makeRoom(bytes: number): Promise<Shortage | undefined> {
    const { catalogue } = this.#deps
    const { capacityBytes } = this.#options
    if (this.#belowHighMark(bytes) && this.#lackingBytes(bytes, await this.#freeBytes()) <= 0) return undefined
    // Nothing is evicted for a request that would be refused all the same.
    const certain = await this.#certainShortage(bytes, bytes)
    if (certain !== undefined) return certain
    await this.#evictToMarks(bytes)
    for (;;) {
      const freeBytes = await this.#freeBytes()
      if (catalogue.presentBytes + bytes > capacityBytes) return { of: 'capacity', freeBytes }
      const lacking = this.#lackingBytes(bytes, freeBytes)
      if (lacking <= 0) return undefined
      if ((await this.#evict(lacking)) === 0) return { of: 'free space', freeBytes }
    }
  }

  /** What would be wanting for `bytes`, once all is let go of that nobody needs, if everything evictable were given up. */
  async #certainShortage(bytes: number, asked: number): Promise<Shortage | undefined> {
    const shortage = await this.#shortage(bytes, this.#evictableBytes())
    if (shortage === undefined || asked > this.#options.capacityBytes) return shortage
    await Promise.allSettled(Array.from(this.#holders, (letGo) => letGo()))
    return this.#shortage(bytes, this.#evictableBytes())
  }

  /** What would still be wanting for `bytes` if `evictableBytes` were given up. */
  async #shortage(bytes: number, evictableBytes: number): Promise<Shortage | undefined> {
    const freeBytes = await this.#freeBytes()
    if (this.#deps.catalogue.presentBytes - evictableBytes + bytes > this.#options.capacityBytes) {
      return { of: 'capacity', freeBytes }
    }
    return this.#lackingBytes(bytes, freeBytes) > evictableBytes ? { of: 'free space', freeBytes } : undefined
  }

  #lackingBytes(bytes: number, freeBytes: number): number {
    return bytes + this.#deps.catalogue.writingBytes + this.#options.minFreeBytes - freeBytes
  }

  async #evictToMarks(bytes: number): Promise<void> {
    if (this.#belowHighMark(bytes)) return
    await this.#evict(this.#deps.catalogue.presentBytes + bytes - LOW_MARK * this.#options.capacityBytes)
  }

  #belowHighMark(bytes: number): boolean {
    return this.#deps.catalogue.presentBytes + bytes <= HIGH_MARK * this.#options.capacityBytes
  }

  /** Evicts until `bytes` and `files` are given back or nothing is left to evict; returns how much it was. */
  async #evict(bytes: number, files = 0): Promise<number> {
    let freed = 0
    let evicted = 0
    if (bytes <= 0 && files <= 0) return freed
    for (const entry of this.#deps.catalogue.evictable(this.#deps.isBusy)) {
      const size = entryBytes(entry)
      try {
        await this.#deps.evict(entry)
        freed += size
        evicted++
      } catch (error) {
        this.#deps.logger.warn({ digest: entry.digest, err: error }, 'a blob cannot be evicted')
      }
      if (freed >= bytes && evicted >= files) break
    }
    this.#evictedBytes += freed
    if (freed > 0) this.#deps.evictedBytes(freed)
    return freed
  }

  #evictableBytes(): number {
    let bytes = 0
    for (const entry of this.#deps.catalogue.evictable(this.#deps.isBusy)) bytes += entryBytes(entry)
    return bytes
  }

  async #freeBytes(): Promise<number> {
    try {
      const { bytes } = await freeSpace(this.#options.path)
      this.#seenFree = { at: this.#deps.clock.now(), bytes }
      return bytes
    } catch (error) {
      throw storeError(error, `the free space at ${this.#options.path} cannot be read`)
    }
  }

  #refusal(bytes: number, shortage: Shortage, cause?: unknown): ShoalError {
    const { path, capacityBytes, minFreeBytes } = this.#options
    const details = {
      neededBytes: bytes,
      freeBytes: shortage.freeBytes,
      minFreeBytes,
      capacityBytes,
      presentBytes: this.#deps.catalogue.presentBytes,
      evictableBytes: this.#evictableBytes(),
      pinnedBytes: this.#deps.catalogue.pinnedBytes,
    }
    const { presentBytes, evictableBytes, pinnedBytes } = details
    const inUse = presentBytes - evictableBytes - pinnedBytes
    const parts = [
      `${shortage.freeBytes} bytes free, of which ${minFreeBytes} stay free`,
      `${presentBytes} of ${capacityBytes} bytes of capacity taken (${evictableBytes} can be evicted, ${pinnedBytes} are pinned)`,
      ...(inUse > 0 ? ['the rest is arriving or in use, and may be free soon'] : []),
    ]
    const unpin = pinnedBytes === 0 ? '' : ', or unpin blobs'
    const enlarge =
      shortage.of === 'capacity' ? 'raise store.capacity' : 'free space on that file system or lower store.minFree'
    const message = `the store at ${path} has no room for ${bytes} bytes: ${parts.join('; ')}; ${enlarge}${unpin}`
    return new ShoalError('STORE_DISK_FULL', message, { details, cause })
  }

  #raiseAlarm(bytes: number): void {
    if (this.#refusedBytes === undefined) {
      this.#deps.logger.warn({ path: this.#options.path, bytes }, 'store is full: writes are refused')
    }
    this.#refusedBytes = bytes
    this.#recheckLater()
  }

  #clearAlarm(): void {
    this.#recheck?.[Symbol.dispose]()
    this.#recheck = undefined
    if (this.#refusedBytes === undefined) return
    this.#refusedBytes = undefined
    this.#deps.logger.info({ path: this.#options.path }, 'store has space again')
  }

  #recheckLater(): void {
    if (this.#disposed) return
    this.#recheck?.[Symbol.dispose]()
    // The look itself takes the turn that disposal waits for, and catches its own failures.
    this.#recheck = this.#deps.clock.after(ALARM_RECHECK_MS, () => void this.#turn.run(LOCK, () => this.#look()))
  }

  async #look(): Promise<void> {
    if (this.#refusedBytes === undefined || this.#disposed) return
    try {
      if ((await this.#shortage(this.#refusedBytes, this.#evictableBytes())) === undefined) this.#clearAlarm()
      else this.#recheckLater()
    } catch (error) {
      this.#deps.logger.debug({ err: error }, 'free space cannot be read')
      this.#recheckLater()
    }
  }
}

/** Whether there was no room for a file, or for the row that goes with it. */
function isFull(error: unknown): boolean {
  return isDiskFull(error) || isShoalError(error, 'STORE_DISK_FULL')
}

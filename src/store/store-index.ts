import { writeFile } from 'node:fs/promises'
import { Level } from 'level'
import { systemClock } from '../base/clock.ts'
import { errnoCode } from '../base/errno.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { removeFile } from './files.ts'
import type { IndexWay } from './index-files.ts'
import { clearDamaged, isIndexDamage, lacksEntrance, markDamaged, mendIndex, prepareIndexFiles } from './index-files.ts'

/** A row to write, or with an undefined value to delete. */
export type IndexWrite = readonly [key: string, value: Uint8Array | undefined]

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

/** How long rows nobody waits for gather: a piece alone would cost as much to write as fifty. */
const GATHER_MS = 50

/** As much as opening the database may write at least. */
const TRY_BYTES = 64 * 1024

/** A disk that damages its index again and again is not asked to mend it again and again. */
const MEND_EVERY_MS = 60_000

/** Sorts behind every other. */
const LAST_CHARACTER = '\u{10ffff}'

const ENCODINGS = { keyEncoding: 'utf8', valueEncoding: 'view' } as const

/**
 * The index: rows in a `level` database, written by one writer in batches. While one batch is on its way, writes
 * gather for the next, and for one key the last wins; so a burst of pieces is a few batches, and several commits
 * share one fsync. Writes reach the database in the order they were made.
 */
export class StoreIndex implements AsyncDisposable {
  readonly #level: Level<string, Uint8Array>
  readonly #directory: string
  readonly #logger: Logger
  #isWritable = true
  /** Damage was met since it was opened, or mended. */
  #isDamaged = false
  #isMending = false
  /** When it was last mended while open. */
  #mendedAt = Number.NEGATIVE_INFINITY
  #mended: ((way: IndexWay) => void) | undefined
  #pending = new Map<string, Uint8Array | undefined>()
  #waiters: Waiter[] = []
  /** Prefixes to clear before what is pending is written. */
  #clears = new Set<string>()
  #sync = false
  /** Ends the gathering of rows nobody waits for. */
  #hurry: (() => void) | undefined
  #draining: Promise<void> | undefined
  #disposal: Promise<void> | undefined

  private constructor(level: Level<string, Uint8Array>, directory: string, logger: Logger) {
    this.#level = level
    this.#directory = directory
    this.#logger = logger
  }

  /** Throws `STORE_FAILED`, also when another live process has it open, and when it is damaged (`isIndexDamage`). */
  static async open(directory: string, logger: Logger, way: IndexWay = 'as it is', wallMs = 0): Promise<StoreIndex> {
    try {
      if (way === 'as it is' && (await lacksEntrance(directory))) throw new DamagedIndex()
      await prepareIndexFiles(directory, way, wallMs)
      // opens itself soon, so not before the files are ready
      const level = new Level<string, Uint8Array>(directory, ENCODINGS)
      await level.open()
      return new StoreIndex(level, directory, logger)
    } catch (error) {
      throw openError(error, directory)
    }
  }

  /** Has `mended` called each time damage has been mended while the index is open: rows are lost then. */
  onMended(mended: (way: IndexWay) => void): void {
    this.#mended = mended
  }

  /** Writes soon, without waiting. What is lost to a crash or a failed batch must be safe to lose. */
  queue(writes: Iterable<IndexWrite>): void {
    if (this.#disposal !== undefined) return
    for (const [key, value] of writes) this.#pending.set(key, value)
    this.#drainSoon()
  }

  /** Writes and waits; with `sync` until the rows survive power loss. Throws `STORE_FAILED`. */
  async write(writes: Iterable<IndexWrite>, options: { readonly sync: boolean }): Promise<void> {
    this.#checkOpen()
    for (const [key, value] of writes) this.#pending.set(key, value)
    this.#sync ||= options.sync
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiters.push({ resolve, reject })
    this.#drainSoon()
    this.#hurry?.()
    await promise
  }

  /** Deletes all rows whose key starts with `prefix`, those on their way included, without waiting: see `queue`. */
  clear(prefix: string): void {
    if (this.#disposal !== undefined) return
    for (const key of this.#pending.keys()) if (key.startsWith(prefix)) this.#pending.delete(key)
    this.#clears.add(prefix)
    this.#drainSoon()
  }

  /** Undefined also for a row that is damaged. Throws `STORE_FAILED`. */
  async get(key: string): Promise<Uint8Array | undefined> {
    this.#checkOpen()
    try {
      return await this.#level.get(key)
    } catch (error) {
      this.#noteDamage(error)
      return undefined
    }
  }

  /** Rows whose key starts with `prefix`, in key order, as they were when the walk began; up to what is damaged. */
  async *entries(prefix: string): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
    try {
      yield* this.allEntries(prefix)
    } catch (error) {
      this.#noteDamage(error)
    }
  }

  /** The same, but throws `STORE_FAILED` when any of it is damaged. */
  async *allEntries(prefix: string): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
    this.#checkOpen()
    try {
      // up to a bound of the database's own: only at its end does it say what it could not read
      yield* this.#level.iterator({ gte: prefix, lt: `${prefix}${LAST_CHARACTER}` })
    } catch (error) {
      throw indexError(error)
    }
  }

  /** Resolves once everything queued so far is written. */
  async flush(): Promise<void> {
    while (this.#draining !== undefined) {
      this.#hurry?.()
      await this.#draining
    }
  }

  /** Writes what is queued and closes the database. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.flush().then(() => this.#level.close())
    return this.#disposal
  }

  /**
   * Damage met while the database is open: what cannot be read counts as absent, and all is mended at once. Throws what is no
   * damage. While it is being mended it is closed for a moment.
   */
  #noteDamage(error: unknown): void {
    if (this.#isMending && isClosed(error)) return
    if (!isIndexDamage(error)) throw indexError(error)
    if (this.#isDamaged) return
    this.#isDamaged = true
    this.#logger.error({ err: error, path: this.#directory }, 'the index of the store is damaged')
    this.#drainSoon()
  }

  get #wantsMending(): boolean {
    return this.#isDamaged && systemClock.now() - this.#mendedAt >= MEND_EVERY_MS
  }

  /** Does while it is open what a start does; what cannot be mended now is left to the next start. Never rejects. */
  async #mend(): Promise<void> {
    this.#mendedAt = systemClock.now()
    this.#isMending = true
    await markDamaged(this.#directory)
    try {
      const way = await mendIndex(this.#level, this.#directory)
      this.#isDamaged = false
      await clearDamaged(this.#directory)
      this.#logger.warn({ path: this.#directory, way }, 'the index of the store was damaged and is mended')
      this.#mended?.(way)
    } catch (error) {
      this.#logger.error({ err: error, path: this.#directory }, 'the index cannot be mended now: the next start does')
    } finally {
      this.#isMending = false
    }
  }

  #drainSoon(): void {
    this.#draining ??= this.#drain()
  }

  async #drain(): Promise<void> {
    // Whatever is written in the same turn of the event loop belongs to one batch.
    await Promise.resolve()
    while (this.#pending.size > 0 || this.#waiters.length > 0 || this.#clears.size > 0 || this.#wantsMending) {
      if (this.#wantsMending) await this.#mend()
      if (this.#waiters.length === 0) await this.#gather()
      const batch = this.#pending
      const waiters = this.#waiters
      const clears = this.#clears
      const sync = this.#sync
      this.#pending = new Map()
      this.#waiters = []
      this.#clears = new Set()
      this.#sync = false
      await this.#clear(clears)
      try {
        await this.#put(batch, sync)
        this.#noteWritable()
        for (const waiter of waiters) waiter.resolve()
      } catch (error) {
        this.#noteWritable(error)
        for (const waiter of waiters) waiter.reject(indexError(error))
      }
    }
    // In the same turn as the last look at what is pending: whatever comes next starts the next drain.
    this.#draining = undefined
  }

  /** Said once in each direction, not at every batch. */
  #noteWritable(error?: unknown): void {
    if ((error === undefined) === this.#isWritable) return
    this.#isWritable = !this.#isWritable
    if (this.#isWritable) this.#logger.info({}, 'store index can be written again')
    else this.#logger.error({ err: error }, 'store index cannot be written')
  }

  /** Until somebody waits, or long enough. */
  #gather(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#hurry?.(), GATHER_MS)
      this.#hurry = () => {
        this.#hurry = undefined
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Never rejects: rows that stay are deleted by the next start. */
  async #clear(prefixes: Iterable<string>): Promise<void> {
    for (const prefix of prefixes) {
      try {
        await this.#level.clear({ gte: prefix, lt: `${prefix}${LAST_CHARACTER}` })
      } catch (error) {
        if (isIndexDamage(error)) this.#isDamaged = true
        else this.#logger.warn({ err: error, prefix }, 'rows of the store index cannot be deleted')
      }
    }
  }

  /**
   * LevelDB refuses every write after a failed one until it is opened again, so a full disk would stay full for it. It is not
   * closed while the disk takes nothing: then it could not be read either.
   */
  async #put(batch: ReadonlyMap<string, Uint8Array | undefined>, sync: boolean): Promise<void> {
    const operations = Array.from(batch, ([key, value]) =>
      value === undefined ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
    )
    try {
      await this.#level.batch(operations, { sync })
    } catch (error) {
      await this.#tryDisk(error)
      await this.#level.close()
      this.#isDamaged ||= isIndexDamage(error)
      await this.#level.open().catch((failure: unknown) => {
        if (!isIndexDamage(failure)) throw failure
        this.#isDamaged = true
      })
      if (this.#wantsMending) await this.#mend()
      await this.#level.batch(operations, { sync })
    }
  }

  async #tryDisk(failure: unknown): Promise<void> {
    // one that is closed already has nothing to lose
    if (this.#level.status !== 'open') return
    const path = `${this.#directory}.try`
    try {
      await writeFile(path, new Uint8Array(TRY_BYTES), { flush: true })
    } catch {
      throw failure
    } finally {
      await removeFile(path).catch(() => {})
    }
  }

  #checkOpen(): void {
    if (this.#disposal !== undefined) throw new ShoalError('STORE_FAILED', 'the store is closed')
  }
}

/** Told apart as LevelDB's own errors are. */
class DamagedIndex extends Error {
  readonly code = 'LEVEL_CORRUPTION'

  constructor() {
    super('its file CURRENT is missing')
  }
}

function openError(error: unknown, directory: string): ShoalError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (errnoCode(cause) === 'LEVEL_LOCKED') {
    return new ShoalError(
      'STORE_FAILED',
      `the store is in use by another agent (${directory}): stop that one, or give this one another store.path`,
      { cause },
    )
  }
  return new ShoalError('STORE_FAILED', `the store's index in ${directory} cannot be opened (${errorText(cause)})`, {
    cause,
  })
}

/** What calls and iterators say that were under way when the database was closed. */
function isClosed(error: unknown): boolean {
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: { readonly code?: unknown } }
  return [code, cause?.code].some((one) => one === 'LEVEL_DATABASE_NOT_OPEN' || one === 'LEVEL_ITERATOR_NOT_OPEN')
}

/** LevelDB names a full disk in its message only. */
function indexError(error: unknown): ShoalError {
  const text = errorText(error)
  const code = /no space left|quota exceeded/i.test(text) ? 'STORE_DISK_FULL' : 'STORE_FAILED'
  return new ShoalError(code, `the store's index failed: ${text}`, { cause: error })
}

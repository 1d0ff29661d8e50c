import type { Clock } from '../base/clock.ts'
import { errnoCode } from '../base/errno.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'

/** How the disk is: `full` is out of bytes or inodes, `stalled` takes calls and does not return from them. */
export const DISK_STATES = ['ok', 'full', 'read_only', 'failed', 'stalled'] as const
export type DiskState = (typeof DISK_STATES)[number]

/**
 * What a call may be, and how long it may take before the disk counts as stalled: far beyond a busy one where that costs a
 * pull, less where memory stands in (a row, a small blob put whole, a partial opened).
 */
export const PATIENCE_MS = { row: 3_000, read: 8_000, put: 3_000, write: 8_000, commit: 120_000 } as const
export type DiskCall = keyof typeof PATIENCE_MS

/**
 * Calls wait for each other, on a busy disk and on a host without a core to spare: while calls of its kind still return, a
 * late one is given its time again, as often as this at most. Nobody waits that long for a commit.
 */
const LOOKS = { row: 3, read: 3, put: 3, write: 3, commit: 1 } as const satisfies Record<DiskCall, number>
/** A file system may be read while it takes no writes, and the index may answer from memory. */
const KINDS = { row: 'row', read: 'read', put: 'write', write: 'write', commit: 'write' } as const

/** How often a disk that is not well is tried. */
const PROBE_EVERY_MS = 2_000
/** A process that was itself held up reads its answers before it blames the disk. */
const SECOND_LOOK_MS = 200

const BY_ERRNO: Readonly<Record<string, DiskState>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EROFS: 'read_only',
  EIO: 'failed',
  ENXIO: 'failed',
  ESTALE: 'failed',
}
/** LevelDB names what the system said in its message only. */
const BY_TEXT: readonly (readonly [RegExp, DiskState])[] = [
  [/no space left|quota exceeded/i, 'full'],
  [/read-only file system/i, 'read_only'],
  [/input\/output error|database is not open|database failed to open/i, 'failed'],
]

/** What an error says of the disk; undefined when it says nothing. */
export function diskStateOf(error: unknown): Exclude<DiskState, 'ok'> | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { message } = cause
    const state = BY_ERRNO[errnoCode(cause) ?? ''] ?? BY_TEXT.find(([text]) => text.test(message))?.[1]
    // a refusal for want of room is no fault, and its text is ours
    const isOurs = cause instanceof ShoalError
    if (state !== undefined && state !== 'ok' && !isOurs) return state
  }
  return undefined
}

interface DiskHealthDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly path: string
  /** Tries what a healthy disk can do; rejects when it cannot. */
  readonly probe: () => Promise<void>
  /** The disk is well again: is given what it did not take. False while something is left, to be tried again. Must not reject. */
  readonly recovered: () => Promise<boolean>
}

/**
 * Whether the disk can be used now. Errors of calls and calls that hang make it unwell, which is said once; then nothing
 * is asked of it any more, but a try every few seconds, until one succeeds. Also bounds the calls that run at once, so
 * that a disk that hangs does not take all of the process's threads with it.
 */
export class DiskHealth implements AsyncDisposable {
  readonly #deps: DiskHealthDeps
  readonly #slots: number
  readonly #waiting: (() => void)[] = []
  #running = 0
  /** How many calls have returned, whatever with. */
  readonly #returned = { row: 0, read: 0, write: 0 }
  #state: DiskState = 'ok'
  #readsHang = false
  #probing: Promise<void> | undefined
  #timer: Disposable | undefined
  #disposed = false

  /** `threads`: of the pool that file calls run on. */
  constructor(deps: DiskHealthDeps, threads: number) {
    this.#deps = deps
    this.#slots = Math.max(2, Math.floor(threads / 2))
  }

  get state(): DiskState {
    return this.#state
  }

  /** A full disk is tried each time: it makes room among its own blobs when it can. */
  get isWritable(): boolean {
    return this.#state === 'ok' || this.#state === 'full'
  }

  /** A disk that cannot be written may still be read. */
  get isReadable(): boolean {
    return !this.#readsHang
  }

  /**
   * Makes a call, and rejects `STORE_FAILED` when it does not return in time; it then goes on unattended, and what it returns
   * in the end goes to `late`. What its error says of the disk is noted.
   */
  async run<T>(call: DiskCall, work: () => Promise<T>, late?: (result: T) => unknown): Promise<T> {
    const kind = KINDS[call]
    const working = kind === 'write' ? this.#inSlot(work) : work()
    const count = (): void => void this.#returned[kind]++
    working.then(count, count)
    let isLate = false
    const discard = (result: T): unknown => (isLate ? late?.(result) : undefined)
    working.then(discard).catch(() => {})
    try {
      return await this.#inTime(call, working)
    } catch (error) {
      isLate = true
      this.note(error)
      throw error
    }
  }

  /** As `run`, but undefined while the disk cannot be read, or is to blame. Other errors are the caller's. */
  async tried<T>(call: DiskCall, work: () => Promise<T>, late?: (result: T) => unknown): Promise<T | undefined> {
    if (!this.isReadable) return undefined
    try {
      return await this.run(call, work, late)
    } catch (error) {
      if (!this.isToBlame(error)) throw error
      return undefined
    }
  }

  /** Takes note of what the error of a call says of the disk, which was not made by `run`. */
  note(error: unknown): void {
    const state = diskStateOf(error)
    if (state !== undefined) this.#unwell(state, error)
  }

  /** Whether an error is the disk's: it says so, or the disk takes no writes at all. */
  isToBlame(error: unknown): boolean {
    return diskStateOf(error) !== undefined || !this.isWritable
  }

  /** Tries the disk at once. */
  check(): Promise<void> {
    this.#timer?.[Symbol.dispose]()
    this.#probing ??= this.#probe().then((isSettled) => {
      this.#probing = undefined
      if (!isSettled) this.#checkLater()
    })
    return this.#probing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#timer?.[Symbol.dispose]()
  }

  async #inSlot<T>(work: () => Promise<T>): Promise<T> {
    await this.#slot()
    try {
      return await work()
    } finally {
      this.#release()
    }
  }

  #slot(): Promise<void> {
    if (this.#running < this.#slots) {
      this.#running++
      return Promise.resolve()
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #release(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#running--
    else next()
  }

  #inTime<T>(call: DiskCall, working: Promise<T>): Promise<T> {
    const { clock } = this.#deps
    const kind = KINDS[call]
    return new Promise((resolve, reject) => {
      const patient = (looks: number): Disposable => {
        const returned = this.#returned[kind]
        return clock.after(PATIENCE_MS[call], () => {
          timer = clock.after(SECOND_LOOK_MS, () => {
            if (looks > 1 && this.#returned[kind] > returned) timer = patient(looks - 1)
            else reject(this.#hangs(call))
          })
        })
      }
      let timer = patient(LOOKS[call])
      const stop = (): void => timer[Symbol.dispose]()
      working.then(resolve, reject)
      working.then(stop, stop)
    })
  }

  #hangs(call: DiskCall): ShoalError {
    const error = new ShoalError('STORE_FAILED', 'the disk of the store does not answer')
    if (call === 'read') this.#readsHang = true
    this.#unwell('stalled', error)
    return error
  }

  #unwell(state: Exclude<DiskState, 'ok'>, error: unknown): void {
    if (this.#state === state || this.#disposed) return
    this.#state = state
    const { logger, path } = this.#deps
    logger.error({ path, state, err: error }, 'the disk of the store cannot be used: content passes through memory')
    this.#checkLater()
  }

  #checkLater(): void {
    if (this.#disposed) return
    this.#timer?.[Symbol.dispose]()
    this.#timer = this.#deps.clock.after(PROBE_EVERY_MS, () => void this.check())
  }

  /** Whether the disk is well, and has all that it is to have. */
  async #probe(): Promise<boolean> {
    const { probe, recovered, logger, path } = this.#deps
    try {
      // a try that hangs is waited for: there is one at a time
      await probe()
    } catch (error) {
      this.note(error)
      return this.#state === 'ok'
    }
    if (this.#disposed) return true
    const was = this.#state
    this.#state = 'ok'
    this.#readsHang = false
    if (was !== 'ok') logger.info({ path, was }, 'the disk of the store can be used again')
    return (await recovered()) && this.#state === 'ok'
  }
}

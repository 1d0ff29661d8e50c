import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { Digest } from '../oci/digest.ts'
import type { Opening, OpenRequest } from './opening.ts'

/** Nobody has read a range above for this long: those who read parts leave the link to others. */
const QUIET_MS = 500
/** No longer than this, or a home that is never left alone would read the same ranges again and again. */
const LATEST_MS = 10_000
/** Ranges that may wait for their pieces. */
const MOST = 1_024

interface PiecesBehindDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly opening: Pick<Opening, 'open'>
}

/**
 * The pieces of ranges that came by themselves: they follow in the background as soon as the ranges leave them the link,
 * so that those who ask later find on disk what has been read once. Nothing else of their blobs follows.
 */
export class PiecesBehind implements AsyncDisposable {
  readonly #deps: PiecesBehindDeps
  readonly #tasks: TaskGroup
  #waiting: OpenRequest[] = []
  #since = 0
  #timer: Disposable | undefined

  constructor(deps: PiecesBehindDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
  }

  /** A range has been read above, of the pieces that `request` awaits. */
  note(request: OpenRequest): void {
    const now = this.#deps.clock.now()
    if (this.#waiting.length === 0) this.#since = now
    if (this.#waiting.length < MOST) this.#waiting.push({ ...request, background: true, entry: 'forPeer' })
    this.#timer?.[Symbol.dispose]()
    const dueMs = Math.max(0, Math.min(QUIET_MS, this.#since + LATEST_MS - now))
    this.#timer = this.#deps.clock.after(dueMs, () => this.#fetch())
  }

  forget(digest: Digest): void {
    this.#waiting = this.#waiting.filter((request) => request.digest !== digest)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]()
    await this.#tasks.stop()
  }

  #fetch(): void {
    const due = this.#waiting
    this.#waiting = []
    void this.#tasks.run('the pieces of a range could not be fetched', async (signal) => {
      for (const request of due) {
        try {
          await this.#deps.opening.open(request, signal)
        } catch (error) {
          // what has no room stays what it was: ranges
          if (!isShoalError(error, 'STORE_DISK_FULL')) throw error
        }
      }
    })
  }
}

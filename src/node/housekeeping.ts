import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { Grants, ImageSignatures, TagCache } from '../blob/index.ts'
import type { Transfers } from '../transfer/index.ts'

const FIRST_AFTER_MS = 60_000
const EVERY_MS = 6 * 3_600_000
/** Tags and access rights that nobody has used for this long are looked up anew when somebody does. */
const KEEP_MS = 30 * 24 * 3_600_000

interface HousekeepingDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly grants: Grants
  readonly tags: TagCache
  readonly signatures: ImageSignatures
  readonly transfers: Transfers
}

/** Now and then drops what the small tables keep about content that is gone, so that they do not grow for ever. */
export class Housekeeping implements AsyncDisposable {
  readonly #deps: HousekeepingDeps
  readonly #tasks: TaskGroup

  constructor(deps: HousekeepingDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
  }

  start(): void {
    const { clock } = this.#deps
    this.#tasks.loop('housekeeping failed', { clock, firstAfterMs: FIRST_AFTER_MS, everyMs: EVERY_MS }, () =>
      this.sweep(),
    )
  }

  /** One round over all tables. */
  async sweep(): Promise<void> {
    const { grants, tags, signatures, transfers } = this.#deps
    const before = this.#deps.clock.wall() - KEEP_MS
    await transfers.sweep()
    await grants.sweep(before)
    await tags.sweep(before)
    await signatures.sweep(before)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.stop()
  }
}

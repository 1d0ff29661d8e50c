import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Grants, TagCache } from '../blob/index.ts'
import type { Transfers } from '../transfer/index.ts'

const FIRST_AFTER_MS = 60_000
const EVERY_MS = 6 * 3_600_000
/** Tags and access rights that nobody has used for so long are looked up anew when somebody does. */
const KEEP_MS = 30 * 24 * 3_600_000

export interface HousekeepingDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly grants: Grants
  readonly tags: TagCache
  readonly transfers: Transfers
}

/** Now and then drops what the small tables keep about content that is gone, so that they do not grow for ever. */
export class Housekeeping implements AsyncDisposable {
  readonly #deps: HousekeepingDeps
  readonly #stop = new AbortController()
  #loop: Promise<void> | undefined

  constructor(deps: HousekeepingDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#loop ??= this.#run().catch(() => {})
  }

  /** One round over all tables. */
  async sweep(): Promise<void> {
    const { grants, tags, transfers } = this.#deps
    const before = this.#deps.clock.wall() - KEEP_MS
    await transfers.sweep()
    await grants.sweep(before)
    await tags.sweep(before)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    await this.#loop
  }

  async #run(): Promise<void> {
    await sleep(this.#deps.clock, FIRST_AFTER_MS, this.#stop.signal)
    for (;;) {
      try {
        await this.sweep()
      } catch (error) {
        this.#deps.logger.warn({ err: errorText(error) }, 'housekeeping failed')
      }
      await sleep(this.#deps.clock, EVERY_MS, this.#stop.signal)
    }
  }
}

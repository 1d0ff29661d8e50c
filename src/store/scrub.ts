import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import { RateLimiter } from '../base/rate-limiter.ts'
import { TaskGroup } from '../base/task-group.ts'
import { digestSchema } from '../oci/schema.ts'
import { checkBlob } from './check-blob.ts'
import type { BlobStore, StoreTable } from './interface.ts'
import { jsonCodec } from './json-codec.ts'

/** What disks and pulls do not notice; a large store is read faster, so that half the time between two passes is enough. */
const LEAST_BYTES_PER_SEC = 16 * 1024 * 1024
const LOOK_EVERY_MS = 60_000
const ROW = 'state'

/** Where a pass stands, kept in the store: a restart goes on there. Times are epoch milliseconds. */
export const scrubStateSchema = z.object({
  /** When the last pass ended; at first, when the store was first looked at: what it holds was just written. */
  lastPassEpochMs: z.int(),
  /** The last blob looked at in the running pass; undefined between two. */
  cursor: digestSchema.optional(),
})
type ScrubState = z.infer<typeof scrubStateSchema>

interface ScrubDeps {
  readonly store: BlobStore
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
}

interface ScrubOptions {
  /** From the end of a pass to the beginning of the next; 0 = never. May change at any time. */
  readonly everyMs: number
  /** How often it looks whether one is due. */
  readonly lookEveryMs?: number | undefined
}

/** Looks slowly at everything that is stored, once in a while: bits also rot where nobody reads. */
export class Scrub implements AsyncDisposable {
  readonly #deps: ScrubDeps
  readonly #options: ScrubOptions
  readonly #table: StoreTable<ScrubState>
  readonly #tasks: TaskGroup
  readonly #checked: (bytes: number) => void
  #state: ScrubState | undefined
  #done = 0

  constructor(options: ScrubOptions, deps: ScrubDeps) {
    this.#options = options
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    this.#table = deps.store.table('scrub', jsonCodec(scrubStateSchema))
    const { metrics } = deps
    const bytes = metrics.counter('shoal_store_scrubbed_bytes_total', 'Stored bytes that the scrub has compared.', {})
    this.#checked = (count) => bytes.inc({}, count)
    metrics.gauge(
      'shoal_store_scrub_last_pass_timestamp_seconds',
      'End of the last full pass; 0 = none yet.',
      [],
      (gauge) => gauge.set({}, (this.#state?.lastPassEpochMs ?? 0) / 1000),
    )
    metrics.gauge('shoal_store_scrub_progress_ratio', 'Of the running pass, by blobs; 1 between two.', [], (gauge) =>
      gauge.set({}, this.#state?.cursor === undefined ? 1 : this.#done),
    )
  }

  start(): void {
    const rounds = { clock: this.#deps.clock, everyMs: this.#options.lookEveryMs ?? LOOK_EVERY_MS }
    this.#tasks.loop('the scrub of the store was interrupted', rounds, async () => {
      if (await this.#isDue()) await this.#pass()
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.stop()
  }

  async #isDue(): Promise<boolean> {
    if (this.#options.everyMs === 0) return false
    const now = this.#deps.clock.wall()
    this.#state ??= await this.#table.get(ROW)
    if (this.#state === undefined) await this.#save({ lastPassEpochMs: now, cursor: undefined })
    const { lastPassEpochMs = now, cursor } = this.#state ?? {}
    // a clock that was set back makes no pass wait for longer than usual
    if (lastPassEpochMs > now) await this.#save({ lastPassEpochMs: now, cursor })
    return cursor !== undefined || now - lastPassEpochMs >= this.#options.everyMs
  }

  async #pass(): Promise<void> {
    const { store, clock, logger } = this.#deps
    const { everyMs } = this.#options
    const { lastPassEpochMs = 0, cursor = '' } = this.#state ?? {}
    const blobs = store.list().flatMap(({ digest, state }) => (state === 'complete' ? [digest] : []))
    const rate = Math.max(LEAST_BYTES_PER_SEC, Math.ceil((2 * store.usage().completeBytes * 1000) / everyMs))
    const limiter = new RateLimiter(clock, rate)
    const pace = async (bytes: number): Promise<void> => {
      await limiter.take(bytes, this.#tasks.signal)
      this.#checked(bytes)
    }
    let damaged = 0
    for (const [i, digest] of blobs.sort().entries()) {
      if (digest <= cursor) continue
      if (this.#options.everyMs === 0) return
      const { kind } = await checkBlob(store, digest, pace)
      damaged += Number(kind === 'damaged')
      this.#done = (i + 1) / blobs.length
      await this.#save({ lastPassEpochMs, cursor: digest })
    }
    await this.#save({ lastPassEpochMs: clock.wall(), cursor: undefined })
    logger.info({ blobs: blobs.length, damaged }, 'everything stored has been compared')
  }

  async #save(state: ScrubState): Promise<void> {
    this.#state = state
    await this.#table.put(ROW, state)
  }
}

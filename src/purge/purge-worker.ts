import { z } from 'zod'
import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Counter, MetricRegistry, NoLabels } from '../base/metrics.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { Purged, Purger } from '../blob/index.ts'
import type { BlobRef } from '../oci/reference.ts'
import { digestSchema, repositorySchema, upstreamSchema } from '../oci/schema.ts'
import type { HandedOn, Orders } from '../orders/index.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'
import type { Order } from '../trust/index.ts'
import { ORDER_SKEW_MS, orderSchema } from '../trust/index.ts'
import type { PurgeReport, PurgeSpec } from './purge.ts'
import { MAX_PURGES, PURGE_STATES, purgeEnd, purgeReportSchema, purgeText } from './purge.ts'
import { PURGE_ORDER } from './words.ts'

/** How soon blobs of pulls that were under way are looked at again. */
const WAIT_MS = 5_000
const RETRY_MS = 60_000
/** No pull keeps a blob for longer: whoever reads it by then reads on. */
const PATIENCE_MS = 3_600_000
/** Of one purge: more are taken at once. */
const MAX_WAITING = 4_096
const MAX_REASON_CHARS = 1_000

const NOTHING_YET: PurgeReport = { state: 'waiting', reason: null, tags: 0, blobs: 0, freedBytes: 0, keptBytes: 0 }

const rowSchema = z.object({
  order: orderSchema,
  report: purgeReportSchema,
  /** Blobs that are still to go; null before anything has. */
  waiting: z
    .array(z.object({ upstream: upstreamSchema, repository: repositorySchema, digest: digestSchema }))
    .max(MAX_WAITING)
    .nullable(),
})

interface Row {
  readonly order: Order
  readonly report: PurgeReport
  readonly waiting: readonly BlobRef[] | null
}

/** A purge, and how far it is here. */
interface Kept extends Row {
  readonly ordered: HandedOn<PurgeSpec>
  readonly takenAt: number
}

interface PurgeWorkerDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly store: Pick<BlobStore, 'table'>
  readonly orders: Pick<Orders, 'handedOn'>
  readonly purger: Pick<Purger, 'purge' | 'retry'>
  /** Whether hosts that this one gives content to still pull, or have not said since `takenAt` whether they do. */
  readonly isAwaited: (id: string, takenAt: number) => boolean
  /** Told after every step. */
  readonly reported: (order: Order, id: string, report: PurgeReport) => void
}

/** A host's side of purges, caches' as well: obeys each order once, one after the other, and remembers what came of it. */
export class PurgeWorker implements AsyncDisposable {
  readonly #deps: PurgeWorkerDeps
  readonly #table: StoreTable<Row>
  /** The oldest order first. */
  readonly #kept = new Map<string, Kept>()
  readonly #tasks: TaskGroup
  readonly #ended: Counter<{ result: PurgeReport['state'] }>
  readonly #freed: Counter<NoLabels>
  #last: Promise<void> = Promise.resolve()

  constructor(deps: PurgeWorkerDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    // what it reads has these parts
    this.#table = deps.store.table('purges', jsonCodec<Row>(rowSchema))
    this.#ended = deps.registry.counter(
      'shoal_purges_total',
      'Steps of purges on this host: done, waiting (for pulls that are under way), failed (tried again). Dry runs are not counted.',
      { result: PURGE_STATES },
    )
    this.#freed = deps.registry.counter('shoal_purged_bytes_total', 'Bytes that purges have taken from the store', {})
  }

  async start(): Promise<void> {
    for await (const [id, row] of this.#table.entries('')) {
      const ordered = this.#proven(row.order)
      if (ordered?.id !== id) await this.#table.delete(id)
      else this.#keep({ ...row, ordered, takenAt: this.#deps.clock.now() })
    }
    for (const [id, { report }] of this.#kept) if (report.state !== 'done') this.#work(id)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.stop()
  }

  /** Those that still hold, the oldest first. */
  live(): { readonly ordered: HandedOn<PurgeSpec>; readonly report: PurgeReport }[] {
    this.#forgetEnded()
    return [...this.#kept.values()]
  }

  has(id: string): boolean {
    return this.#kept.has(id)
  }

  /** Obeys an order that it does not know; returns whether it is one that holds here. */
  take(order: Order): boolean {
    const ordered = this.#proven(order)
    if (ordered === undefined) return false
    const { id } = ordered
    if (this.#kept.has(id)) return true
    this.#keep({ order, ordered, report: NOTHING_YET, waiting: null, takenAt: this.#deps.clock.now() })
    if (this.#kept.has(id)) this.#work(id)
    return this.#kept.has(id)
  }

  /** Proven, and not over. */
  #proven(order: Order): HandedOn<PurgeSpec> | undefined {
    const ordered = this.#deps.orders.handedOn(PURGE_ORDER, order)
    if (ordered === undefined) return undefined
    const now = this.#deps.clock.wall()
    const { content, issuedEpochMs } = ordered
    return purgeEnd(content, issuedEpochMs) > now && issuedEpochMs <= now + ORDER_SKEW_MS ? ordered : undefined
  }

  #keep(kept: Kept): void {
    this.#kept.set(kept.ordered.id, kept)
    const byAge = [...this.#kept.values()].sort((a, b) => a.ordered.issuedEpochMs - b.ordered.issuedEpochMs)
    this.#kept.clear()
    for (const one of byAge.slice(-MAX_PURGES)) this.#kept.set(one.ordered.id, one)
    for (const { ordered } of byAge.slice(0, -MAX_PURGES)) this.#drop(ordered.id)
  }

  #forgetEnded(): void {
    const now = this.#deps.clock.wall()
    for (const [id, { ordered }] of this.#kept) {
      if (purgeEnd(ordered.content, ordered.issuedEpochMs) > now) continue
      this.#kept.delete(id)
      this.#drop(id)
    }
  }

  #drop(id: string): void {
    void this.#tasks.run('a purge that is over cannot be forgotten', () => this.#table.delete(id))
  }

  /** Somebody else's part has changed: it may go on now. */
  wake(id: string): void {
    const kept = this.#kept.get(id)
    if (kept?.report.state !== 'waiting' || kept.waiting === null) return
    if (!this.#deps.isAwaited(id, kept.takenAt)) this.#work(id)
  }

  #work(id: string): void {
    this.#last = this.#last.then(() => this.#tasks.run('a purge broke off', () => this.#step(id)))
  }

  #workLater(id: string, ms: number): void {
    void this.#tasks.run('a purge is not gone on with', async (signal) => {
      await sleep(this.#deps.clock, ms, signal).catch(() => {})
      if (!signal.aborted) this.#work(id)
    })
  }

  async #step(id: string): Promise<void> {
    const kept = this.#kept.get(id)
    if (kept === undefined || kept.report.state === 'done') return
    const { logger, reported } = this.#deps
    const { content: purge, by } = kept.ordered
    let next: Kept
    try {
      const { waiting, ...part } = await this.#purge(kept)
      const state = waiting.length === 0 ? ('done' as const) : ('waiting' as const)
      const reason = state === 'done' ? null : `${waiting.length} blobs are of pulls that are under way`
      const report = { ...added(kept.report, part), state, reason }
      next = { ...kept, report, waiting: waiting.slice(0, MAX_WAITING) }
      const fields = { purge: id, by, images: purge.images.map(purgeText), dryRun: purge.dryRun, ...report }
      if (isNews(report, kept.report)) logger.info(fields, 'a purge was obeyed')
    } catch (error) {
      if (this.#tasks.signal.aborted) return
      const reason = errorText(error).slice(0, MAX_REASON_CHARS)
      // it is tried every minute, for as long as the order holds
      if (reason !== kept.report.reason)
        logger.warn({ purge: id, err: error }, 'a purge failed here; it is tried again')
      next = { ...kept, report: { ...kept.report, state: 'failed', reason } }
    }
    this.#kept.set(id, next)
    const { state } = next.report
    if (!purge.dryRun) {
      this.#ended.inc({ result: state })
      this.#freed.inc({}, next.report.freedBytes - kept.report.freedBytes)
      const { order, report, waiting } = next
      await this.#table.put(id, { order, report, waiting })
    }
    reported(next.order, id, next.report)
    if (state !== 'done') this.#workLater(id, state === 'waiting' ? WAIT_MS : RETRY_MS)
  }

  /** What a cache has others pull from it until they have ended; for no longer than any pull is waited for. */
  #blobs(id: string, takenAt: number): 'all' | 'idle' | 'none' {
    const { clock, isAwaited } = this.#deps
    if (clock.now() - takenAt >= PATIENCE_MS) return 'all'
    return isAwaited(id, takenAt) ? 'none' : 'idle'
  }

  async #purge({ ordered, waiting, takenAt }: Kept): Promise<Purged> {
    const { purger } = this.#deps
    const { images, dryRun } = ordered.content
    const options = {
      // by the clock of who ordered it: within that no two hosts agree
      beforeEpochMs: ordered.issuedEpochMs + ORDER_SKEW_MS,
      dryRun,
      blobs: this.#blobs(ordered.id, takenAt),
    }
    let all: Purged = { tags: 0, blobs: 0, freedBytes: 0, keptBytes: 0, waiting: [] }
    if (waiting !== null) {
      for (const some of Map.groupBy(waiting, ({ upstream, repository }) => `${upstream}/${repository}`).values()) {
        all = joined(all, await purger.retry(some, options))
      }
      return all
    }
    for (const image of images) all = joined(all, await purger.purge(image, options))
    return all
  }
}

/** Whether a step brought more than another look at the same pulls. */
function isNews(report: PurgeReport, before: PurgeReport): boolean {
  return report.state !== before.state || report.reason !== before.reason || report.freedBytes !== before.freedBytes
}

function joined(a: Purged, b: Purged): Purged {
  return { ...added(a, b), waiting: [...a.waiting, ...b.waiting] }
}

type Amounts = Omit<Purged, 'waiting'>

function added(a: Amounts, b: Amounts): Amounts {
  return {
    tags: a.tags + b.tags,
    blobs: a.blobs + b.blobs,
    freedBytes: a.freedBytes + b.freedBytes,
    keptBytes: a.keptBytes + b.keptBytes,
  }
}

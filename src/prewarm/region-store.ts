import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { epochMs } from '../orders/index.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'

/** A region that has not been seen for this long is no part of the fleet any more. */
const KEPT_MS = 7 * 86_400_000
/** It is written down again no more often than this. */
const WRITE_EVERY_MS = 3_600_000
const MAX_REGIONS = 1024

interface RegionStoreDeps {
  readonly logger: Logger
  readonly store: Pick<BlobStore, 'table'>
  readonly clock: Pick<Clock, 'wall'>
}

/**
 * The regions below this cache's, and when each was last there, on its disk: whose caches are all away is missed by name,
 * also after this cache's restart. Forgotten when it has been away for a week.
 */
export class RegionStore {
  readonly #deps: RegionStoreDeps
  readonly #table: StoreTable<number>
  readonly #seen = new Map<string, number>()
  readonly #written = new Map<string, number>()

  constructor(deps: RegionStoreDeps) {
    this.#deps = deps
    this.#table = deps.store.table('prewarm-regions', jsonCodec(epochMs))
  }

  async load(): Promise<void> {
    for await (const [region, at] of this.#table.entries('')) {
      if (!this.#isOld(at)) this.#keep(region, at)
      else await this.#table.delete(region)
    }
  }

  /** A region is there. */
  note(region: string): void {
    const now = this.#deps.clock.wall()
    this.#keep(region, now)
    if (!this.#seen.has(region) || now - (this.#written.get(region) ?? 0) < WRITE_EVERY_MS) return
    this.#written.set(region, now)
    this.#table.put(region, now).catch((error: unknown) => {
      this.#deps.logger.warn({ region, err: error }, 'a region cannot be remembered')
    })
  }

  /** Regions that are remembered, by name. */
  names(): string[] {
    return [...this.#seen].flatMap(([region, at]) => (this.#isOld(at) ? [] : region)).sort()
  }

  #keep(region: string, at: number): void {
    for (const [known, seen] of this.#seen) if (this.#isOld(seen)) this.#seen.delete(known)
    if (this.#seen.has(region) || this.#seen.size < MAX_REGIONS) this.#seen.set(region, at)
  }

  #isOld(at: number): boolean {
    return this.#deps.clock.wall() - at > KEPT_MS
  }
}

import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'
import type { Plan } from './interface.ts'
import type { OriginUsage } from './origin-usage.ts'
import { planSchema } from './shapes.ts'

/** Blobs and manifests of the plans that may be in memory at once: some 40 MB. */
const MAX_HELD_PARTS = 131_072

/** What a plan takes of memory is by these. */
export function partsOf({ blobs, images }: Plan): number {
  return images.reduce((sum, { manifests }) => sum + manifests.length, blobs.length)
}

/** The plans of jobs: on the disk all of them, in memory those that something is done with. */
export class PlanStore {
  readonly #table: StoreTable<Plan>
  readonly #origin: Pick<OriginUsage, 'watch' | 'unwatch'>
  readonly #held = new Map<string, Plan>()
  #parts = 0

  /** `origin` counts what is read for the plans in memory. */
  constructor(store: Pick<BlobStore, 'table'>, origin: Pick<OriginUsage, 'watch' | 'unwatch'>) {
    this.#origin = origin
    this.#table = store.table('prewarm-plans', jsonCodec(planSchema))
  }

  /** In memory now. */
  held(id: string): Plan | undefined {
    return this.#held.get(id)
  }

  /** Whether there is room for one more in memory. */
  hasRoom(plan: Plan): boolean {
    return this.#parts + partsOf(plan) <= MAX_HELD_PARTS
  }

  /** Keeps a plan in memory, until it is released. */
  hold(id: string, plan: Plan): void {
    if (this.#held.has(id)) return
    this.#held.set(id, plan)
    this.#parts += partsOf(plan)
    this.#origin.watch(id, plan)
  }

  release(id: string): void {
    const plan = this.#held.get(id)
    if (plan === undefined) return
    this.#held.delete(id)
    this.#parts -= partsOf(plan)
    this.#origin.unwatch(id, plan)
  }

  save(id: string, plan: Plan): Promise<void> {
    return this.#table.put(id, plan)
  }

  /** From memory or from the disk; undefined when it is lost. */
  async read(id: string): Promise<Plan | undefined> {
    return this.#held.get(id) ?? (await this.#table.get(id))
  }

  async forget(id: string): Promise<void> {
    this.release(id)
    await this.#table.delete(id)
  }
}

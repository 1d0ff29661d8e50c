import { z } from 'zod'
import type { BlobStore, StoreTable } from '../store/index.ts'
import type { HostReport, JobRow } from './interface.ts'
import { isFinal, isNewer, keptUntil } from './job.ts'
import type { RosterEntry } from './ledger.ts'
import { jsonCodec } from './letters.ts'
import { count, peerKey, reportSchema, rowSchema, text } from './shapes.ts'

/** Ended jobs beyond this are forgotten before their time, the oldest first. */
const MAX_JOBS = 256

const rosterSchema = z.object({ first: count, hosts: z.array(z.object({ key: peerKey, name: text })) })
type RosterPart = z.infer<typeof rosterSchema>

/** Jobs, their hosts in order, and how hosts ended, on this cache's disk. */
export class JobBook {
  readonly #jobs: StoreTable<JobRow>
  readonly #rosters: StoreTable<RosterPart>
  readonly #ended: StoreTable<HostReport>
  readonly #fetched: StoreTable<number>
  readonly #rows = new Map<string, JobRow>()

  constructor(store: BlobStore) {
    this.#jobs = store.table('prewarm-jobs', jsonCodec(rowSchema))
    this.#rosters = store.table('prewarm-rosters', jsonCodec(rosterSchema))
    this.#ended = store.table('prewarm-ended', jsonCodec(reportSchema))
    this.#fetched = store.table('prewarm-fetched', jsonCodec(count))
  }

  async load(): Promise<void> {
    for await (const [id, row] of this.#jobs.entries('')) this.#rows.set(id, row)
  }

  get(id: string): JobRow | undefined {
    return this.#rows.get(id)
  }

  all(): JobRow[] {
    return [...this.#rows.values()]
  }

  /** Whether a row says something new. */
  wants(row: JobRow): boolean {
    const known = this.#rows.get(row.id)
    return known === undefined || isNewer(row, known)
  }

  /** Keeps a row unless a newer one is known; answers whether it was kept. It counts at once, and is written after. */
  put(row: JobRow): { readonly kept: boolean; readonly written: Promise<void> } {
    if (!this.wants(row)) return { kept: false, written: Promise.resolve() }
    this.#rows.set(row.id, row)
    return { kept: true, written: this.#jobs.put(row.id, row) }
  }

  async saveRoster(id: string, first: number, hosts: readonly RosterEntry[]): Promise<void> {
    await this.#rosters.put(`${id}/${String(first).padStart(9, '0')}`, { first, hosts: [...hosts] })
  }

  async saveEnded(id: string, key: string, report: HostReport): Promise<void> {
    await this.#ended.put(`${id}/${key}`, report)
  }

  async saveFetched(id: string, bytes: number): Promise<void> {
    await this.#fetched.put(id, bytes)
  }

  /** What is known of a job's hosts: `undefined` roster when none was made. */
  async hosts(
    id: string,
  ): Promise<{ roster: RosterEntry[] | undefined; ended: Map<string, HostReport>; originBytes: number }> {
    let roster: RosterEntry[] | undefined
    for await (const [, part] of this.#rosters.entries(`${id}/`)) roster = [...(roster ?? []), ...part.hosts]
    const ended = new Map<string, HostReport>()
    for await (const [key, report] of this.#ended.entries(`${id}/`)) ended.set(key.slice(id.length + 1), report)
    return { roster, ended, originBytes: (await this.#fetched.get(id)) ?? 0 }
  }

  /** Jobs that nobody need know of any more. */
  expired(now: number): JobRow[] {
    const ended = this.all()
      .filter(({ state }) => isFinal(state))
      .sort((a, b) => (b.endedEpochMs ?? 0) - (a.endedEpochMs ?? 0))
    return ended.filter((row, i) => i >= MAX_JOBS || keptUntil(row) < now)
  }

  async forget(id: string): Promise<void> {
    this.#rows.delete(id)
    await this.#jobs.delete(id)
    await this.#fetched.delete(id)
    for (const table of [this.#rosters, this.#ended] as const) {
      for await (const [key] of table.entries(`${id}/`)) await table.delete(key)
    }
  }
}

import { z } from 'zod'
import type { BlobStore, StoreTable, TableCodec } from '../store/index.ts'
import type { HostReport, JobRow } from './interface.ts'
import { isFinal, isNewer, keptUntil } from './job.ts'
import type { RosterEntry } from './ledger.ts'
import { encodeJson, jsonCodec } from './letters.ts'
import { count, peerKey, reportSchema, rowSchema, text } from './shapes.ts'

/** Ended jobs beyond this are forgotten before their time, the oldest first. */
const MAX_ENDED = 256
/** Jobs that may be under way at once. */
export const MAX_LIVE_JOBS = 256
/** What all rows may take as JSON: a row has the orders of its job, and is some kilobytes. */
const MAX_ROWS_BYTES = 32 * 1024 * 1024

/** Hosts of all jobs together, ended ones too: each takes some 250 bytes. */
const MAX_KNOWN_HOSTS = 400_000

const rosterSchema = z.object({ first: count, hosts: z.array(z.object({ key: peerKey, name: text })) })
type RosterPart = z.infer<typeof rosterSchema>

/** Tables of rows that are not worth parsing: only their keys are. */
const KEYS_ALONE: TableCodec<true> = { encode: () => new Uint8Array(), decode: () => true }
/** What versions before orders kept there. Reading such a row drops it. */
const DROPPED: TableCodec<never> = { encode: () => new Uint8Array(), decode: () => undefined }
const OLD_TABLE = 'prewarm-jobs'
const TABLES_BY_JOB = ['prewarm-plans', 'prewarm-rosters', 'prewarm-ended', 'prewarm-fetched'] as const

interface Kept {
  readonly row: JobRow
  readonly bytes: number
}

/** How a host ended, and what is known of a job's hosts beside that. */
export interface HostVisitor {
  roster(hosts: readonly RosterEntry[]): void
  ended(key: string, report: HostReport): void
}

/**
 * Jobs, their hosts in order, and how hosts ended, on this cache's disk. Rows are in memory as well, bounded in number and
 * bytes: the ended ones go first, the oldest of them before the others.
 */
export class JobBook {
  readonly #store: BlobStore
  readonly #jobs: StoreTable<JobRow>
  readonly #rosters: StoreTable<RosterPart>
  readonly #ended: StoreTable<HostReport>
  readonly #fetched: StoreTable<number>
  readonly #rows = new Map<string, Kept>()
  #bytes = 0

  constructor(store: BlobStore) {
    this.#store = store
    this.#jobs = store.table('prewarm-rows', jsonCodec(rowSchema))
    this.#rosters = store.table('prewarm-rosters', jsonCodec(rosterSchema))
    this.#ended = store.table('prewarm-ended', jsonCodec(reportSchema))
    this.#fetched = store.table('prewarm-fetched', jsonCodec(count))
  }

  /** Reads the rows one by one; returns how many are set aside because there is no room for them. */
  async load(): Promise<number> {
    let dropped = 0
    for await (const [id, row] of this.#jobs.entries('')) {
      if (id !== row.id || !this.#fits(row)) {
        dropped++
        await this.#jobs.delete(id)
        continue
      }
      this.#keep(row, encodeJson(row).length)
      for (const { id: gone } of this.#tooMany()) {
        dropped++
        await this.#drop(gone)
      }
    }
    return dropped
  }

  /** Drops what other tables have of jobs that are not known; to be run beside the work. */
  async sweep(): Promise<void> {
    for await (const _ of this.#store.table(OLD_TABLE, DROPPED).entries(''));
    for (const name of TABLES_BY_JOB) {
      const table = this.#store.table(name, KEYS_ALONE)
      for await (const [key] of table.entries('')) {
        if (!this.#rows.has(key.split('/')[0] ?? key)) await table.delete(key)
      }
    }
  }

  get(id: string): JobRow | undefined {
    return this.#rows.get(id)?.row
  }

  all(): JobRow[] {
    return Array.from(this.#rows.values(), ({ row }) => row)
  }

  /** Whether a row says something new, and there is room for it. */
  wants(row: JobRow): boolean {
    const known = this.#rows.get(row.id)?.row
    return known === undefined ? this.#fits(row) : isNewer(row, known)
  }

  /** Keeps a row unless a newer one is known; answers whether it was kept. It counts at once, and is written after. */
  put(row: JobRow): { readonly kept: boolean; readonly written: Promise<void> } {
    if (!this.wants(row)) return { kept: false, written: Promise.resolve() }
    this.#keep(row, encodeJson(row).length)
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

  /** Shows what is known of a job's hosts, part by part; `roster` is not called when none was made. */
  async hosts(id: string, visitor: HostVisitor): Promise<void> {
    for await (const [, part] of this.#rosters.entries(`${id}/`)) visitor.roster(part.hosts)
    for await (const [key, report] of this.#ended.entries(`${id}/`)) visitor.ended(key.slice(id.length + 1), report)
  }

  /** What was read from origins for a job. */
  async fetched(id: string): Promise<number> {
    return (await this.#fetched.get(id)) ?? 0
  }

  /** Jobs that nobody need know of any more, or for which there is no room. */
  expired(now: number): JobRow[] {
    const old = this.all().filter((row) => isFinal(row.state) && keptUntil(row) < now)
    return [...new Set([...old, ...this.#tooMany()])]
  }

  /** Those that have ended, the oldest first. */
  oldestEnded(): JobRow[] {
    return this.#endedByAge().map(({ row }) => row)
  }

  /** The oldest of those that have ended, as many as have more hosts than all jobs together may have. */
  crowd(hostsOf: (id: string) => number): JobRow[] {
    let over = this.all().reduce((sum, { id }) => sum + hostsOf(id), -MAX_KNOWN_HOSTS)
    const gone: JobRow[] = []
    for (const { row } of over > 0 ? this.#endedByAge() : []) {
      if (over <= 0) break
      over -= hostsOf(row.id)
      gone.push(row)
    }
    return gone
  }

  async forget(id: string): Promise<void> {
    await this.#drop(id)
    await this.#fetched.delete(id)
    for (const table of [this.#rosters, this.#ended] as const) {
      for await (const [key] of table.entries(`${id}/`)) await table.delete(key)
    }
  }

  /** A job under way is not taken in when there are too many of them. */
  #fits({ state }: JobRow): boolean {
    if (isFinal(state)) return true
    return this.all().filter((row) => !isFinal(row.state)).length < MAX_LIVE_JOBS
  }

  /** The oldest of those that have ended, as many as have to go. */
  #tooMany(): JobRow[] {
    const ended = this.#endedByAge()
    let most = ended.length - MAX_ENDED
    let bytes = this.#bytes - MAX_ROWS_BYTES
    const gone: JobRow[] = []
    for (const one of ended) {
      if (most <= 0 && bytes <= 0) break
      gone.push(one.row)
      most--
      bytes -= one.bytes
    }
    return gone
  }

  #endedByAge(): Kept[] {
    const ended = [...this.#rows.values()].filter(({ row }) => isFinal(row.state))
    return ended.sort((a, b) => (a.row.endedEpochMs ?? 0) - (b.row.endedEpochMs ?? 0))
  }

  #keep(row: JobRow, bytes: number): void {
    this.#bytes += bytes - (this.#rows.get(row.id)?.bytes ?? 0)
    this.#rows.set(row.id, { row, bytes })
  }

  async #drop(id: string): Promise<void> {
    this.#bytes -= this.#rows.get(id)?.bytes ?? 0
    this.#rows.delete(id)
    await this.#jobs.delete(id)
  }
}

import { z } from 'zod'
import { encodeJson } from '../base/json.ts'
import { count, peerKey, text } from '../orders/index.ts'
import type { BlobStore, StoreTable, TableCodec } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'
import type { HostReport, JobRow } from './interface.ts'
import { isFinal, isNewer, keptUntil } from './job.ts'
import type { RosterEntry } from './progress.ts'
import { reportSchema, rowSchema } from './shapes.ts'

/** Ended jobs beyond this are forgotten before their time, the oldest first. */
const MAX_ENDED = 256
/** Jobs that may be under way at once. */
export const MAX_LIVE_JOBS = 256
/** What all rows may take as JSON: a row has the orders of its job, and is some kilobytes; one of 256 images up to 200. */
const MAX_ROWS_BYTES = 32 * 1024 * 1024

/** Hosts of all jobs together, ended ones too: each takes some 250 bytes. */
const MAX_KNOWN_HOSTS = 400_000

export const rosterSchema = z.object({ first: count, hosts: z.array(z.object({ key: peerKey, name: text })) })
type RosterPart = z.infer<typeof rosterSchema>

/** Tables of rows that are not worth parsing: only their keys are. */
export const KEYS_ALONE: TableCodec<true> = { encode: () => new Uint8Array(), decode: () => true }
const TABLES_BY_JOB = ['prewarm-plans', 'prewarm-rosters', 'prewarm-ended', 'prewarm-fetched'] as const

interface Kept {
  readonly row: JobRow
  readonly bytes: number
}

/** What a disk says of a job's hosts. */
interface KnownHosts {
  /** In their order; undefined when none was made. */
  readonly roster: readonly RosterEntry[] | undefined
  /** How hosts ended, by key. */
  readonly ended: ReadonlyMap<string, HostReport>
  /** What was read from origins for the job. */
  readonly originBytes: number
}

/**
 * Jobs, their hosts in order, and how hosts ended, on this cache's disk. Rows are in memory as well, bounded in number and
 * bytes: the ended ones go first, the oldest of them before the others.
 */
export class JobStore {
  readonly #store: BlobStore
  readonly #jobs: StoreTable<JobRow>
  readonly #rosters: StoreTable<RosterPart>
  readonly #ended: StoreTable<HostReport>
  readonly #fetched: StoreTable<number>
  readonly #rows = new Map<string, Kept>()
  readonly #told: (row: JobRow) => void
  #bytes = 0

  /** `told`: of every job that begins here or changes its state, from then on; must not throw. */
  constructor(store: BlobStore, told: (row: JobRow) => void = () => {}) {
    this.#store = store
    this.#told = told
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

  /** Keeps a row unless a newer one is known; returns whether it was kept. It counts at once, and is written after. */
  put(row: JobRow): { readonly kept: boolean; readonly written: Promise<void> } {
    if (!this.wants(row)) return { kept: false, written: Promise.resolve() }
    const before = this.get(row.id)?.state
    this.#keep(row, encodeJson(row).length)
    if (row.state !== before) this.#told(row)
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

  /** Reads what is known of a job's hosts. */
  async knownHosts(id: string): Promise<KnownHosts> {
    const originBytes = (await this.#fetched.get(id)) ?? 0
    let roster: RosterEntry[] | undefined
    for await (const [, { hosts }] of this.#rosters.entries(`${id}/`)) {
      roster ??= []
      for (const host of hosts) roster.push(host)
    }
    const ended = new Map<string, HostReport>()
    for await (const [key, report] of this.#ended.entries(`${id}/`)) ended.set(key.slice(id.length + 1), report)
    return { roster, ended, originBytes }
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

  /** A job under way is not taken in when there are too many of them, or they are too large together. */
  #fits(row: JobRow): boolean {
    if (isFinal(row.state)) return true
    const live = [...this.#rows.values()].filter((kept) => !isFinal(kept.row.state))
    const bytes = live.reduce((sum, kept) => sum + kept.bytes, encodeJson(row).length)
    return live.length < MAX_LIVE_JOBS && bytes <= MAX_ROWS_BYTES
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

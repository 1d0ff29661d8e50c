import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { epochMs, MAX_HOSTS, text } from '../orders/index.ts'
import type { BlobStore, StoreTable } from '../store/index.ts'
import { jsonCodec } from '../store/index.ts'
import type { PeerInfo } from '../swarm/index.ts'
import type { PurgeReport, RegionPurge } from './purge.ts'
import { regionPurge } from './purge.ts'

/** A host that has not been there for this long is no part of the fleet any more. */
const KEPT_MS = 7 * 86_400_000
/** It is written down again no more often than this. */
const WRITE_EVERY_MS = 3_600_000
/** Reports of all purges together, some 200 bytes each; those of the oldest purge go first. */
const MAX_REPORTS = 262_144

const hostSchema = z.object({ name: text, seenEpochMs: epochMs })

interface Seen {
  readonly name: string
  readonly seenEpochMs: number
}

interface PurgeProgressDeps {
  readonly clock: Pick<Clock, 'wall'>
  readonly logger: Logger
  readonly store: Pick<BlobStore, 'table'>
  readonly region: string
}

/**
 * Which hosts of a region there are, also those that are away, and what each has done of a purge: so that a cache can name
 * who still has what was to go. Hosts say what they have done on every new link, so that only the hosts are on the disk.
 */
export class PurgeProgress {
  readonly #deps: PurgeProgressDeps
  readonly #table: StoreTable<Seen>
  readonly #hosts = new Map<string, Seen>()
  readonly #written = new Map<string, Seen>()
  readonly #linked = new Set<string>()
  readonly #reports = new Map<string, Map<string, PurgeReport>>()
  #count = 0

  constructor(deps: PurgeProgressDeps) {
    this.#deps = deps
    this.#table = deps.store.table('purge-hosts', jsonCodec(hostSchema))
  }

  async load(): Promise<void> {
    const oldest = this.#deps.clock.wall() - KEPT_MS
    for await (const [key, seen] of this.#table.entries('')) {
      if (seen.seenEpochMs < oldest || this.#hosts.size >= MAX_HOSTS) await this.#table.delete(key)
      else {
        this.#hosts.set(key, seen)
        this.#written.set(key, seen)
      }
    }
  }

  linked({ key, addresses }: Pick<PeerInfo, 'key' | 'addresses'>): void {
    this.#linked.add(key)
    this.#note(key, this.#hosts.get(key)?.name ?? addresses[0] ?? key)
  }

  unlinked(key: string): void {
    const seen = this.#hosts.get(key)
    this.#linked.delete(key)
    if (seen !== undefined) this.#note(key, seen.name)
  }

  /** What people call a host. */
  named(key: string, name: string): void {
    if (this.#linked.has(key)) this.#note(key, name)
  }

  /** A host of the region says what it has done. */
  heard(key: string, id: string, report: PurgeReport): void {
    const reports = this.#reports.get(id) ?? new Map<string, PurgeReport>()
    this.#reports.set(id, reports)
    if (!reports.has(key)) this.#count++
    reports.set(key, report)
    for (const oldest of this.#reports.keys()) {
      if (this.#count <= MAX_REPORTS || oldest === id) break
      this.#forget(oldest)
    }
  }

  /** How far a host is; undefined while it has said nothing. */
  stateOf(key: string, id: string): PurgeReport['state'] | undefined {
    return this.#reports.get(id)?.get(key)?.state
  }

  /** Forgets what is said of others. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#reports.keys()) if (!ids.has(id)) this.#forget(id)
  }

  counts(id: string): RegionPurge {
    this.#forgetOld()
    const names = new Map([...this.#hosts].map(([key, { name }]) => [key, name]))
    return regionPurge(this.#deps.region, names, this.#reports.get(id) ?? new Map())
  }

  #note(key: string, name: string): void {
    if (!this.#hosts.has(key) && this.#hosts.size >= MAX_HOSTS) return
    const seen = { name, seenEpochMs: this.#deps.clock.wall() }
    this.#hosts.set(key, seen)
    const before = this.#written.get(key)
    if (before?.name === name && seen.seenEpochMs - before.seenEpochMs < WRITE_EVERY_MS) return
    this.#written.set(key, seen)
    this.#write(this.#table.put(key, seen))
  }

  #forgetOld(): void {
    const oldest = this.#deps.clock.wall() - KEPT_MS
    for (const [key, { seenEpochMs }] of this.#hosts) {
      if (seenEpochMs >= oldest || this.#linked.has(key)) continue
      this.#hosts.delete(key)
      this.#written.delete(key)
      this.#write(this.#table.delete(key))
    }
  }

  #forget(id: string): void {
    this.#count -= this.#reports.get(id)?.size ?? 0
    this.#reports.delete(id)
  }

  #write(writing: Promise<void>): void {
    writing.catch((error: unknown) => this.#deps.logger.warn({ err: error }, 'a host cannot be remembered'))
  }
}

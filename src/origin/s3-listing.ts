import type { ListObjectsV2CommandOutput, S3Client } from '@aws-sdk/client-s3'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { Clock } from '../base/clock.ts'
import { isShoalError, ShoalError } from '../base/errors.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import type { FolderPage, FolderQuery } from './object-reader.ts'
import { sortS3Error } from './s3-errors.ts'

const PAGE_KEYS = 1000
/** A bucket of any size ends its list; what only says so does not read on for ever. */
const MAX_PAGES = 1_000
const PERMISSION_MEMORY_MS = 300_000

interface ListQuery {
  readonly prefix: string
  readonly delimiter?: string | undefined
  readonly startAfter?: string | undefined
  readonly token?: string | undefined
  readonly maxKeys: number
}

/** Listings of one bucket. */
export class S3Listing {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #label: string
  readonly #allowed: ExpiringMap<boolean>

  constructor(client: S3Client, place: { bucket: string; label: string; clock: Clock }) {
    this.#client = client
    this.#bucket = place.bucket
    this.#label = place.label
    this.#allowed = new ExpiringMap(place.clock, 1)
  }

  /** Whether these credentials may list the bucket; remembered for a few minutes. */
  async allowed(prefix: string, signal: AbortSignal): Promise<boolean> {
    const known = this.#allowed.get(prefix)
    if (known !== undefined) return known
    try {
      await this.#list({ prefix, maxKeys: 1 }, signal)
      this.#allowed.set(prefix, true, PERMISSION_MEMORY_MS)
      return true
    } catch (error) {
      if (!isShoalError(error, 'ORIGIN_DENIED')) throw error
      this.#allowed.set(prefix, false, PERMISSION_MEMORY_MS)
      return false
    }
  }

  /** The folders directly below `prefix`, in lexical order of their names; undefined when there are none. */
  async folders(prefix: string, query: FolderQuery): Promise<FolderPage | undefined> {
    const { after, limit, signal } = query
    const names = new Set<string>()
    let token: string | undefined
    let last: string | undefined
    let pages = 0
    do {
      const startAfter = after === undefined || token !== undefined ? undefined : prefix + after
      const page = await this.#list({ prefix, delimiter: '/', startAfter, token, maxKeys: PAGE_KEYS }, signal)
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) {
        last = Prefix.slice(prefix.length, -1)
        if (after === undefined || last > after) names.add(last)
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined && names.size <= limit && ++pages < MAX_PAGES)
    if (token !== undefined && last !== undefined) {
      for (const name of await this.#skippedBy(prefix, last, signal))
        if (after === undefined || name > after) names.add(name)
    }
    if (names.size === 0) {
      return after !== undefined && (await this.#exists(prefix, signal)) ? { names: [], more: false } : undefined
    }
    const sorted = [...names].sort((a, b) => (a < b ? -1 : 1))
    return { names: sorted.slice(0, limit), more: sorted.length > limit || token !== undefined }
  }

  /**
   * S3 sorts `v1-a/` and `v1.0/` before `v1/`, since "-" and "." come before "/". So when a listing stops at `v1-a`,
   * `v1` may be still to come although it is the smaller name. Those few names are looked up one by one.
   */
  async #skippedBy(prefix: string, last: string, signal: AbortSignal): Promise<readonly string[]> {
    const shorter = [...last.matchAll(/[-.]/g)].map((match) => last.slice(0, match.index)).filter((name) => name !== '')
    const found = await Promise.all(shorter.map((name) => this.#exists(`${prefix}${name}/`, signal)))
    return shorter.filter((_, index) => found[index])
  }

  async #exists(prefix: string, signal: AbortSignal): Promise<boolean> {
    const page = await this.#list({ prefix, maxKeys: 1 }, signal)
    return (page.Contents ?? []).length > 0
  }

  async #list(query: ListQuery, signal: AbortSignal): Promise<ListObjectsV2CommandOutput> {
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: query.prefix,
      Delimiter: query.delimiter,
      StartAfter: query.startAfter,
      ContinuationToken: query.token,
      MaxKeys: query.maxKeys,
    })
    try {
      return await this.#client.send(command, { abortSignal: signal })
    } catch (cause) {
      signal.throwIfAborted()
      const failure = sortS3Error(cause, this.#label)
      if (failure.kind === 'error') throw failure.error
      throw new ShoalError('ORIGIN_DENIED', `${this.#label}: may not be listed; allow s3:ListBucket`, { cause })
    }
  }
}

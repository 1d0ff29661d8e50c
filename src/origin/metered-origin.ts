import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type {
  BlobReadQuery,
  Origin,
  OriginManifest,
  OriginQuery,
  TagPage,
  TagResolution,
  TagState,
} from './interface.ts'
import type { OriginMetrics, OriginRequestKind, OriginResult } from './metrics.ts'

/**
 * An origin that counts. Tag lists count as `tag`, referrers as `manifest`; a blob counts once its range has ended,
 * and as `ok` when its reader left early. What the caller aborted is not counted: it says nothing about the origin.
 */
export class MeteredOrigin implements Origin {
  readonly kind: Origin['kind']
  readonly label: string
  readonly #origin: Origin
  readonly #metrics: OriginMetrics
  readonly #clock: Clock

  constructor(origin: Origin, metrics: OriginMetrics, clock: Clock) {
    this.kind = origin.kind
    this.label = origin.label
    this.#origin = origin
    this.#metrics = metrics
    this.#clock = clock
  }

  resolveTag(query: OriginQuery & { tag: string; known?: TagState | undefined }): Promise<TagResolution> {
    return this.#measure('tag', query.signal, () => this.#origin.resolveTag(query), tagResult)
  }

  manifest(query: OriginQuery & { digest: Digest }): Promise<OriginManifest | undefined> {
    return this.#measure('manifest', query.signal, () => this.#origin.manifest(query), presence)
  }

  statBlob(query: OriginQuery & { digest: Digest }): Promise<{ readonly size: number } | undefined> {
    return this.#measure('stat', query.signal, () => this.#origin.statBlob(query), presence)
  }

  async readBlob(query: BlobReadQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    const startedAt = this.#clock.now()
    try {
      const chunks = await this.#origin.readBlob(query)
      if (chunks !== undefined) return this.#watch(chunks, startedAt, query.signal)
      this.#count('blob', 'unknown', startedAt)
      return undefined
    } catch (error) {
      if (!query.signal.aborted) this.#count('blob', failure(error), startedAt)
      throw error
    }
  }

  listTags(
    query: OriginQuery & { limit?: number | undefined; after?: string | undefined },
  ): Promise<TagPage | undefined> {
    return this.#measure('tag', query.signal, () => this.#origin.listTags(query), presence)
  }

  referrers(
    query: OriginQuery & { digest: Digest; artifactType?: string | undefined },
  ): Promise<OriginManifest | undefined> {
    return this.#measure('manifest', query.signal, () => this.#origin.referrers(query), presence)
  }

  challenge(signal: AbortSignal): Promise<string | undefined> {
    return this.#origin.challenge(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#origin[Symbol.asyncDispose]()
  }

  async #measure<T>(
    kind: OriginRequestKind,
    signal: AbortSignal,
    work: () => Promise<T>,
    resultOf: (value: T) => OriginResult,
  ): Promise<T> {
    const startedAt = this.#clock.now()
    try {
      const value = await work()
      this.#count(kind, resultOf(value), startedAt)
      return value
    } catch (error) {
      if (!signal.aborted) this.#count(kind, failure(error), startedAt)
      throw error
    }
  }

  async *#watch(chunks: AsyncIterable<Uint8Array>, startedAt: number, signal: AbortSignal) {
    let result: OriginResult = 'ok'
    try {
      yield* chunks
    } catch (error) {
      result = failure(error)
      throw error
    } finally {
      if (!signal.aborted) this.#count('blob', result, startedAt)
    }
  }

  #count(kind: OriginRequestKind, result: OriginResult, startedAt: number): void {
    this.#metrics.ended(kind, result, (this.#clock.now() - startedAt) / 1000)
  }
}

function presence(value: unknown): OriginResult {
  return value === undefined ? 'unknown' : 'ok'
}

function tagResult(resolution: TagResolution): OriginResult {
  return resolution.kind === 'found' ? 'ok' : resolution.kind
}

function failure(error: unknown): OriginResult {
  if (isShoalError(error, 'ORIGIN_DENIED')) return 'denied'
  return isShoalError(error, 'ORIGIN_THROTTLED') ? 'throttled' : 'failed'
}

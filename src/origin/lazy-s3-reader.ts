import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { S3OriginSettings } from './config.ts'
import type {
  FolderPage,
  FolderQuery,
  ObjectRangeQuery,
  ObjectReader,
  SmallObject,
  SmallObjectQuery,
} from './object-reader.ts'
import type { OriginOptions } from './options.ts'

/**
 * A bucket whose client is loaded with the first question. Most hosts never ask an origin, only their caches do, and
 * the client would cost each of them some 30 MiB.
 */
export class LazyS3Reader implements ObjectReader {
  readonly kind = 's3'
  readonly label: string
  readonly #load: () => Promise<ObjectReader>
  #reader: Promise<ObjectReader> | undefined

  constructor(settings: S3OriginSettings, deps: { clock: Clock; logger: Logger }, options: OriginOptions) {
    this.label = s3Label(settings)
    this.#load = async () => {
      const { S3Reader } = await import('./s3-reader.ts')
      return new S3Reader(this.label, settings, deps, options)
    }
  }

  async small(path: string, query: SmallObjectQuery): Promise<SmallObject | 'unchanged' | 'too large' | undefined> {
    return (await this.#open()).small(path, query)
  }

  async size(path: string, signal: AbortSignal): Promise<number | undefined> {
    return (await this.#open()).size(path, signal)
  }

  async range(path: string, query: ObjectRangeQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    return (await this.#open()).range(path, query)
  }

  async folders(path: string, query: FolderQuery): Promise<FolderPage | undefined> {
    return (await this.#open()).folders(path, query)
  }

  async misplaced(signal: AbortSignal): Promise<string | undefined> {
    return (await this.#open()).misplaced(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reader = await this.#reader
    await reader?.[Symbol.asyncDispose]()
  }

  #open(): Promise<ObjectReader> {
    this.#reader ??= this.#load()
    return this.#reader
  }
}

/** How a bucket is named in logs and errors: no secrets. */
function s3Label({ bucket, prefix, endpoint }: S3OriginSettings): string {
  const folder = prefix.replace(/^\/+|\/+$/g, '')
  const host = endpoint === null ? '' : ` at ${new URL(endpoint).host}`
  return `s3 ${bucket}${folder === '' ? '' : `/${folder}`}${host}`
}

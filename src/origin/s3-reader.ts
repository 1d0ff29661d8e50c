import { Readable } from 'node:stream'
import type { GetObjectRequest, S3Client } from '@aws-sdk/client-s3'
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { BodyOptions } from './body-stream.ts'
import { bodyChunks, collect, exactBytes } from './body-stream.ts'
import type { S3OriginSettings } from './config.ts'
import { withConnection } from './connections.ts'
import { ROOT } from './distribution-layout.ts'
import type {
  FolderPage,
  FolderQuery,
  ObjectRangeQuery,
  ObjectReader,
  SmallObject,
  SmallObjectQuery,
} from './object-reader.ts'
import type { OriginOptions } from './options.ts'
import { bytesToSkip } from './range-answer.ts'
import { createS3Client } from './s3-client.ts'
import { objectTerms } from './s3-credentials.ts'
import { sortS3Error } from './s3-errors.ts'
import { S3Listing } from './s3-listing.ts'
import { Transport } from './transport.ts'

const ALLOWED = { names: [], more: false }

/** Objects of one bucket below one prefix. */
export class S3Reader implements ObjectReader {
  readonly kind = 's3'
  readonly label: string
  readonly #bucket: string
  readonly #prefix: string
  readonly #client: S3Client
  readonly #terms: Partial<GetObjectRequest>
  readonly #listing: S3Listing
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #options: OriginOptions
  #warned = false

  constructor(
    label: string,
    settings: S3OriginSettings,
    deps: { clock: Clock; logger: Logger },
    options: OriginOptions,
  ) {
    const prefix = settings.prefix.replace(/^\/+|\/+$/g, '')
    this.label = label
    this.#bucket = settings.bucket
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#clock = deps.clock
    this.#logger = deps.logger
    const transport = new Transport(settings, options)
    this.#options = transport.options
    this.#client = createS3Client(settings, transport, deps.logger)
    this.#terms = objectTerms(settings)
    this.#listing = new S3Listing(this.#client, { bucket: settings.bucket, label: this.label, clock: deps.clock })
  }

  async small(path: string, query: SmallObjectQuery): Promise<SmallObject | 'unchanged' | 'too large' | undefined> {
    const answer = await this.#ask(path, query.signal, (Key, abortSignal) => {
      const command = new GetObjectCommand({ ...this.#terms, Bucket: this.#bucket, Key, IfNoneMatch: query.etag })
      return this.#client.send(command, { abortSignal })
    })
    if (answer === undefined || answer === 'unchanged') return answer
    const bytes = await collect(this.#body(answer.Body, query.signal), query.maxBytes)
    if (bytes === 'too large') return bytes
    if (answer.ContentLength !== undefined && bytes.length !== answer.ContentLength) {
      throw new ShoalError('ORIGIN_UNREACHABLE', `${this.label}: ${path} ended too early`)
    }
    return { bytes, etag: answer.ETag }
  }

  async size(path: string, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.#ask(path, signal, (Key, abortSignal) =>
      this.#client.send(new HeadObjectCommand({ ...this.#terms, Bucket: this.#bucket, Key }), { abortSignal }),
    )
    if (answer === undefined || answer === 'unchanged') return undefined
    if (answer.ContentLength !== undefined) return answer.ContentLength
    throw new ShoalError('ORIGIN_UNREACHABLE', `${this.label} does not say how large ${path} is`)
  }

  async range(path: string, query: ObjectRangeQuery): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { range, size, signal } = query
    const answer = await this.#ask(path, signal, (Key, abortSignal) => {
      const command = new GetObjectCommand({
        ...this.#terms,
        Bucket: this.#bucket,
        Key,
        Range: `bytes=${range.start}-${range.end - 1}`,
      })
      return this.#client.send(command, { abortSignal })
    })
    if (answer === undefined || answer === 'unchanged') return undefined
    const body = requireBody(answer.Body)
    const place = this.label
    try {
      const skip = bytesToSkip(
        {
          status: answer.$metadata.httpStatusCode ?? 200,
          contentRange: answer.ContentRange,
          contentLength: answer.ContentLength,
        },
        { range, size, maxSkipBytes: this.#options.maxSkipBytes, place },
      )
      return exactBytes(this.#body(body, signal), { skip, length: range.end - range.start, place })
    } catch (error) {
      body.on('error', () => {}).destroy()
      throw error
    }
  }

  folders(path: string, query: FolderQuery): Promise<FolderPage | undefined> {
    return this.#listing.folders(`${this.#prefix}${path}/`, query)
  }

  /** A bucket that may not be listed says nothing about it. */
  async misplaced(signal: AbortSignal): Promise<string | undefined> {
    const root = `${this.#prefix}${ROOT}/`
    const page = await this.#listing.folders(root, { limit: 1, signal }).catch(() => ALLOWED)
    signal.throwIfAborted()
    return page === undefined ? `has nothing below ${root}; check prefix, or push something first` : undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy()
  }

  /** Sends a request for one object: undefined when it is missing, or may be. */
  async #ask<T extends object>(
    path: string,
    signal: AbortSignal,
    send: (key: string, signal: AbortSignal) => Promise<T>,
  ): Promise<T | 'unchanged' | undefined> {
    signal.throwIfAborted()
    try {
      return await withConnection(signal, () => send(this.#prefix + path, signal), bodyOf)
    } catch (cause) {
      signal.throwIfAborted()
      const failure = sortS3Error(cause, this.label)
      if (failure.kind === 'missing') return undefined
      if (failure.kind === 'unmodified') return 'unchanged'
      if (failure.kind === 'error') throw failure.error
      return this.#denied(cause, signal)
    }
  }

  /** Without s3:ListBucket, S3 answers 403 for a missing key; with it, 403 means what it says. */
  async #denied(cause: unknown, signal: AbortSignal): Promise<undefined> {
    if (await this.#listing.allowed(this.#prefix, signal)) {
      throw new ShoalError('ORIGIN_DENIED', `${this.label}: refuses to give the object; allow s3:GetObject`, { cause })
    }
    if (this.#warned) return
    this.#warned = true
    this.#logger.warn(
      { origin: this.label },
      'the bucket answers 403 and may not be listed, so missing and forbidden look alike; allow s3:ListBucket and s3:GetObject, and set requesterPays if it demands that',
    )
  }

  #body(body: unknown, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const options: BodyOptions = { clock: this.#clock, stallMs: this.#options.stallMs, signal, place: this.label }
    return bodyChunks(requireBody(body), options)
  }
}

function bodyOf(answer: object): unknown {
  return 'Body' in answer ? answer.Body : undefined
}

/** On Node, the SDK's body is always a Readable; its type also covers browsers. */
function requireBody(body: unknown): Readable {
  return body instanceof Readable ? body : Readable.from([])
}

import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { S3Client } from '@aws-sdk/client-s3'
import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { copyTreeToBucket } from './bucket.ts'
import { ManagedProcess } from './managed-process.ts'
import type { OriginCounters, OriginFaults } from './origin-traffic.ts'
import { originCountersSchema } from './origin-traffic.ts'
import type { Place } from './place.ts'
import { commandIn, LOOPBACK } from './place.ts'

const PROGRAM = fileURLToPath(new URL(`./s3-origin-main${extname(import.meta.url)}`, import.meta.url))
const ACCESS_KEY = 'S3RVER'
const addressesSchema = z.object({ endpoint: z.string(), control: z.string() })

/** An S3-compatible store with one bucket, as a process of its own: the origin of demos, tests and benchmarks. */
export class S3Origin implements AsyncDisposable {
  readonly bucket: string
  /** For `endpoint:` of an agent's s3 origin (with forcePathStyle). */
  readonly endpoint: string
  readonly process: ManagedProcess
  readonly client: S3Client
  readonly #place: Place
  readonly #control: string
  readonly #directory: string

  private constructor(
    { bucket, place }: { readonly bucket: string; readonly place: Place },
    process: ManagedProcess,
    urls: z.infer<typeof addressesSchema>,
    directory: string,
  ) {
    this.#place = place
    this.bucket = bucket
    this.process = process
    this.endpoint = urls.endpoint
    this.#control = urls.control
    this.#directory = directory
    this.client = originClient(this.endpoint)
  }

  /** Starts the server with an empty bucket in a temporary directory (below `parent`), listening at the place's address. */
  static async start(bucket = 'images', place: Place = LOOPBACK, parent = tmpdir()): Promise<S3Origin> {
    requireServer()
    const directory = await mkdtemp(join(parent, 'shoal-s3-'))
    try {
      const settings = JSON.stringify({ directory, buckets: [bucket], address: place.address })
      const command = commandIn(place, process.execPath, [PROGRAM, settings])
      const started = await ManagedProcess.start({ name: 's3 origin', ...command })
      const urls = await started.waitForLine('listening', (line) => addressesIn(line))
      return new S3Origin({ bucket, place }, started, urls, directory)
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  /** An entry for `upstreams[].origins` of a daemon that reads this bucket. */
  agentConfig(): Record<string, unknown> {
    return {
      kind: 's3',
      bucket: this.bucket,
      endpoint: this.endpoint,
      forcePathStyle: true,
      credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: ACCESS_KEY },
    }
  }

  /** Puts a directory tree into the bucket. What that reads is not counted, what it writes is (`writes`). */
  copyTree(root: string, signal?: AbortSignal): Promise<void> {
    return copyTreeToBucket(this.client, { root, bucket: this.bucket, ...(signal === undefined ? {} : { signal }) })
  }

  counters(): Promise<OriginCounters> {
    return this.#ask('GET')
  }

  resetCounters(): Promise<OriginCounters> {
    return this.#ask('DELETE')
  }

  /** Replaces all faults: `{}` heals. */
  setFaults(faults: OriginFaults): Promise<OriginCounters> {
    return this.#ask('PUT', JSON.stringify(faults))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy()
    await this.process.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #ask(method: 'GET' | 'PUT' | 'DELETE', body?: string): Promise<OriginCounters> {
    const { status, text } = await this.#place.ask(this.#control, { method, body })
    if (status !== 200) throw this.process.failure(`refused ${method} ${body ?? ''}`)
    return originCountersSchema.parse(JSON.parse(text))
  }
}

/** A client for the bucket at `endpoint`, with the rights to fill it. */
export function originClient(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: ACCESS_KEY },
    // The default adds a trailing checksum in a body encoding that small S3 servers do not read.
    requestChecksumCalculation: 'WHEN_REQUIRED',
  })
}

function requireServer(): void {
  try {
    createRequire(import.meta.url).resolve('@20minutes/s3rver')
  } catch (cause) {
    const message = 'the S3 server for demos is a development package: run npm ci without --omit=dev'
    throw new ShoalError('UNAVAILABLE', message, { cause })
  }
}

function addressesIn(line: string): z.infer<typeof addressesSchema> | undefined {
  try {
    return addressesSchema.safeParse(JSON.parse(line)).data
  } catch {
    return undefined
  }
}

import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import type { Logger } from '../../../src/base/log.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestHex, digestOf } from '../../../src/oci/digest.ts'
import type { Origin, OriginDeps } from '../../../src/origin/index.ts'
import { createOriginMetrics } from '../../../src/origin/index.ts'
import { TempDir } from '../../support/temp-dir.ts'

/** A signal that nobody aborts. */
export const never: AbortSignal = new AbortController().signal

export const deps: OriginDeps = {
  logger: silentLogger,
  metrics: createOriginMetrics(noMetrics, 'test'),
  clock: systemClock,
  version: '1.2.3',
}

/** A directory that is gone after the test. */
export async function tempDir(t: TestContext): Promise<string> {
  const dir = await TempDir.make()
  t.after(() => dir[Symbol.asyncDispose]())
  return dir.path
}

export interface Warning {
  readonly fields: object
  readonly message: string
}

/** A logger that keeps warnings. */
export function warningLogger(warnings: Warning[]): Logger {
  const logger: Logger = {
    ...silentLogger,
    warn: (fields, message) => void warnings.push({ fields, message }),
    child: () => logger,
  }
  return logger
}

/** Bytes that differ at every place that matters. */
export function patternBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff
  return bytes
}

export async function readAll(chunks: AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  if (chunks === undefined) throw new Error('expected a body, got undefined')
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(Buffer.from(chunk))
  return Buffer.concat(parts)
}

export interface TestServer {
  readonly url: string
  /** Every request so far, as `METHOD path`. */
  readonly requests: IncomingMessage[]
  paths(): string[]
}

/** An HTTP server on loopback that stands in for a registry, token server, CDN or S3; closed after the test. */
export async function startServer(
  t: TestContext,
  handler: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<TestServer> {
  const requests: IncomingMessage[] = []
  const listener: RequestListener = (request, response) => {
    requests.push(request)
    Promise.resolve(handler(request, response)).catch(() => response.destroy())
  }
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  const paths = (): string[] => requests.map((request) => `${request.method} ${request.url}`)
  return { url: `http://127.0.0.1:${port}`, requests, paths }
}

/** What every registry of the Distribution family says of itself, by which its refusals are told from an outage's. */
export const REGISTRY_HEADERS = { 'docker-distribution-api-version': 'registry/2.0' } as const

/** Answers a GET or HEAD of `bytes` like a good server, with single ranges. */
export function serveBytes(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  if (match === null) {
    response.writeHead(200, { 'content-length': bytes.length })
    response.end(request.method === 'HEAD' ? undefined : bytes)
    return
  }
  const start = Number(match[1])
  const end = Math.min(match[2] === '' ? bytes.length : Number(match[2]) + 1, bytes.length)
  if (start >= end) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end()
    return
  }
  response.writeHead(206, {
    'content-length': end - start,
    'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
  })
  response.end(request.method === 'HEAD' ? undefined : bytes.subarray(start, end))
}

/** Bytes 1000 to 4999 of `blob` are announced; the first hundred come, and no more. */
export function beginRead(response: ServerResponse, blob: Uint8Array): ServerResponse {
  response.writeHead(206, { 'content-length': 4000, 'content-range': `bytes 1000-4999/${blob.length}` })
  response.write(blob.subarray(1000, 1100))
  return response
}

/** What any origin must give of a blob: its size, and each range byte for byte, the empty one too. */
export async function expectSampleBytes(origin: Origin, sample: SampleRepository): Promise<void> {
  const blob = { repository: sample.repository, digest: sample.blobDigest, signal: never }
  const size = sample.blob.length
  assert.deepEqual(await origin.statBlob(blob), { size })
  for (const [start, end] of [
    [0, size],
    [0, 1],
    [1, 2],
    [size - 201, size],
    [7, 7],
  ] as const) {
    const bytes = await readAll(await origin.readBlob({ ...blob, size, range: { start, end } }))
    assert.ok(bytes.equals(sample.blob.subarray(start, end)), `bytes ${start} to ${end}`)
  }
}

export interface SampleRepository {
  readonly repository: string
  readonly tag: string
  readonly blob: Buffer
  readonly blobDigest: Digest
  readonly config: Buffer
  readonly configDigest: Digest
  readonly manifest: Buffer
  readonly manifestDigest: Digest
  /** Path below the root -> content, in the order a registry would write. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** One repository with a tag, a manifest, a config and one layer, in the Distribution layout. */
export function sampleRepository({ repository = 'team/app', tag = 'v1', blobBytes = 300_000 } = {}): SampleRepository {
  const blob = patternBytes(blobBytes)
  const blobDigest = digestOf(blob)
  const config = Buffer.from('{"architecture":"amd64","os":"linux"}')
  const configDigest = digestOf(config)
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: configDigest, size: config.length },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: blobDigest, size: blob.length }],
    }),
  )
  const manifestDigest = digestOf(manifest)
  const files = new Map<string, Uint8Array>([
    [dataPath(blobDigest), blob],
    [dataPath(configDigest), config],
    [dataPath(manifestDigest), manifest],
    [`${repositoryPath(repository)}/_layers/sha256/${digestHex(blobDigest)}/link`, Buffer.from(blobDigest)],
    [`${repositoryPath(repository)}/_layers/sha256/${digestHex(configDigest)}/link`, Buffer.from(configDigest)],
    [
      `${repositoryPath(repository)}/_manifests/revisions/sha256/${digestHex(manifestDigest)}/link`,
      Buffer.from(manifestDigest),
    ],
    [tagPath(repository, tag), Buffer.from(manifestDigest)],
  ])
  return { repository, tag, blob, blobDigest, config, configDigest, manifest, manifestDigest, files }
}

export function tagPath(repository: string, tag: string): string {
  return `${repositoryPath(repository)}/_manifests/tags/${tag}/current/link`
}

export function dataPath(digest: Digest): string {
  const hex = digestHex(digest)
  return `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
}

function repositoryPath(repository: string): string {
  return `docker/registry/v2/repositories/${repository}`
}

export async function writeTree(root: string, files: Iterable<readonly [string, Uint8Array]>): Promise<void> {
  for (const [path, bytes] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), bytes)
  }
}

import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { BlobFile, BuiltImage, BuiltIndex } from '../../src/demo/index.ts'

export interface MirrorFaults {
  /** Ends the body of a blob after so many bytes of it, once per entry that is less than what is asked for. */
  cutAfterBytes?: number[]
  /** Answers ranges with the whole blob and 200. */
  ignoresRanges?: boolean
  /** What it says of where a blob came from, once that is asked. */
  received?: string
  /** Answers these statuses to the next requests for blobs. */
  blobStatuses?: number[]
  /** Flips a byte in every blob. */
  corrupt?: boolean
  /** Leaves Docker-Content-Digest out and refuses HEAD. */
  withoutHead?: boolean
}

/** The pull half of a registry over built images, with every mistake a mirror can make. `requests` keeps what was asked. */
export class FaultyMirror implements AsyncDisposable {
  readonly requests: { method: string; url: string; range: string | undefined }[] = []
  faults: MirrorFaults = {}
  readonly #server: Server
  readonly #blobs = new Map<string, BlobFile>()
  readonly #tags = new Map<string, BlobFile>()

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
  }

  static async listen(contents: Readonly<Record<string, BuiltImage | BuiltIndex>>): Promise<FaultyMirror> {
    const mirror = new FaultyMirror()
    for (const [name, content] of Object.entries(contents)) {
      const images = 'images' in content ? content.images : [content]
      const blobs = images.flatMap(({ manifest, config, layers }) => [manifest, config, ...layers])
      for (const blob of [content.manifest, ...blobs]) mirror.#blobs.set(blob.digest, blob)
      mirror.#tags.set(name, content.manifest)
    }
    await new Promise<void>((resolve) => mirror.#server.listen(0, '127.0.0.1', resolve))
    return mirror
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    this.requests.push({ method, url, range: headers.range })
    const [, repository, kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^?]+)/.exec(url) ?? []
    const found = this.#tags.get(`${repository}:${reference}`) ?? this.#blobs.get(reference)
    if (found === undefined) return void response.writeHead(404).end()
    if (kind === 'blobs' && method === 'HEAD') return void response.writeHead(200, this.#received(found)).end()
    if (kind === 'blobs') return this.#blob(request, response, found)
    if (method === 'HEAD' && this.faults.withoutHead === true) return void response.writeHead(405).end()
    response.writeHead(200, {
      'content-type': found.mediaType,
      'content-length': found.size,
      ...(this.faults.withoutHead === true ? {} : { 'docker-content-digest': found.digest }),
    })
    response.end(method === 'HEAD' ? undefined : await readFile(found.path))
  }

  #received({ size }: BlobFile): Record<string, string | number> {
    const { received } = this.faults
    return { 'content-length': size, ...(received === undefined ? {} : { 'x-shoal-received': received }) }
  }

  async #blob(request: IncomingMessage, response: ServerResponse, { path, size }: BlobFile): Promise<void> {
    const status = this.faults.blobStatuses?.shift()
    if (status !== undefined) return void response.writeHead(status).end()
    const wanted = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
    const start = wanted === null || this.faults.ignoresRanges === true ? 0 : Number(wanted[1])
    const range = start > 0 ? { 'content-range': `bytes ${start}-${size - 1}/${size}` } : {}
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': size - start, 'x-shoal-source': 'peer', ...range })
    const [cut = Number.POSITIVE_INFINITY] = this.faults.cutAfterBytes ?? []
    if (cut < size - start) this.faults.cutAfterBytes?.shift()
    let left = cut
    for await (const chunk of createReadStream(path, { start }) as AsyncIterable<Buffer>) {
      if (this.faults.corrupt === true) chunk[0] = (chunk[0] ?? 0) ^ 0xff
      const part = chunk.subarray(0, left)
      if (!response.write(part)) await new Promise((resolve) => response.once('drain', resolve))
      left -= part.length
      if (left === 0) return void response.socket?.destroySoon()
    }
    response.end()
  }
}

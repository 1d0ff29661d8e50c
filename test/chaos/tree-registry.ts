import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { blobKey, tagKey } from '../../src/demo/index.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { parseDigest } from '../../src/oci/digest.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** The pull half of a registry over a directory in its layout: a right answer to every question. */
export class TreeRegistry {
  readonly #root: string
  readonly #server: Server

  private constructor(root: string) {
    this.#root = root
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
  }

  static async listen(root: string): Promise<TreeRegistry> {
    const registry = new TreeRegistry(root)
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve))
    return registry
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async #answer({ method, url = '', headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, repository = '', kind, target = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^?]+)/.exec(url) ?? []
    if (kind === undefined) return void response.writeHead(url.startsWith('/v2/') ? 200 : 404).end()
    const digest = await this.#digest(repository, target)
    const path = digest === undefined ? undefined : join(this.#root, blobKey(digest))
    const size =
      path === undefined
        ? undefined
        : await stat(path).then(
            (found) => found.size,
            () => undefined,
          )
    if (digest === undefined || path === undefined || size === undefined) return void response.writeHead(404).end('{}')
    const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
    const start = Number(range?.[1] ?? 0)
    const end = Math.min(size, range?.[2] ? Number(range[2]) + 1 : size)
    const head = {
      'content-type': kind === 'blobs' ? 'application/octet-stream' : MANIFEST,
      'content-length': end - start,
    }
    const part = range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` }
    response.writeHead(range === null ? 200 : 206, { ...head, ...part, 'docker-content-digest': digest })
    if (method === 'HEAD') return void response.end()
    await pipeline(createReadStream(path, { start, end: end - 1 }), response)
  }

  async #digest(repository: string, target: string): Promise<Digest | undefined> {
    const text = target.includes(':')
      ? target
      : await readFile(join(this.#root, tagKey(repository, target)), 'utf8').catch(() => '')
    return parseDigest(text)
  }
}

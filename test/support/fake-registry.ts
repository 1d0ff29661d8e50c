import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { UpstreamConfig } from '../../src/config/index.ts'
import type { BuiltImage } from '../../src/demo/index.ts'

const CHUNK_BYTES = 65_536

export interface Ask {
  readonly method: string
  readonly kind: 'manifest' | 'blob'
  /** Tag or digest. */
  readonly target: string
  readonly range: string | undefined
}

/** What is done before, or instead of, an answer: true when the request has been dealt with. */
export type Hook = (ask: Ask, response: ServerResponse) => Promise<boolean> | boolean

/** A registry with one image, `team/app:v1`, that counts and misbehaves as `hook` says. */
export class FakeRegistry {
  readonly asked: Ask[] = []
  /** What was said with ?ns=, of a mirror of several registries. */
  readonly namespaces = new Set<string>()
  hook: Hook = () => false
  ignoresRange = false
  /** Bytes per second of each answer; 0 for as many as go. */
  answerRate = 0
  /** Answers with a body that are being sent now, and the most there have been. */
  readonly sending = { now: 0, most: 0 }
  /** Bytes of blobs that were sent. */
  sentBytes = 0
  /** When they were sent, in milliseconds. */
  readonly sent: { readonly at: number; readonly bytes: number }[] = []
  #url = ''
  readonly #files = new Map<string, { readonly bytes: Uint8Array; readonly type: string }>()

  static async start(t: TestContext, image: BuiltImage): Promise<FakeRegistry> {
    const registry = new FakeRegistry()
    const { manifest, config, layers } = image
    for (const { digest, path, mediaType } of [manifest, config, ...layers]) {
      registry.#files.set(digest, { bytes: await readFile(path), type: mediaType })
    }
    registry.#files.set('v1', registry.#files.get(manifest.digest)!)
    const server = createServer((request, response) => {
      registry.#answer(request, response).catch(() => response.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    registry.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return registry
  }

  upstream(name: string): UpstreamConfig {
    return { name, access: 'public', origins: [{ kind: 'registry', url: this.#url }] }
  }

  /** Requests for a blob or manifest by this name. */
  requests(target: string, method = 'GET'): number {
    return this.asked.filter((ask) => ask.target === target && ask.method === method).length
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('docker-distribution-api-version', 'registry/2.0')
    const ns = new URL(request.url ?? '', 'http://registry').searchParams.get('ns')
    if (ns !== null) this.namespaces.add(ns)
    const match = /^\/v2\/team\/app\/(manifest|blob)s\/([^?]+)/.exec(request.url ?? '')
    if (match === null) return void response.writeHead(request.url === '/v2/' ? 200 : 404).end()
    const { method = 'GET', headers } = request
    const ask: Ask = { method, kind: match[1] as Ask['kind'], target: match[2]!, range: headers.range }
    this.asked.push(ask)
    if (await this.hook(ask, response)) return
    // nothing is sent to who has left meanwhile
    if (response.destroyed) return
    const file = this.#files.get(ask.target)
    if (file === undefined) return void response.writeHead(404).end('{}')
    await this.#send(ask, file, response)
  }

  async #send(
    { method, kind, target, range }: Ask,
    { bytes, type }: { readonly bytes: Uint8Array; readonly type: string },
    response: ServerResponse,
  ): Promise<void> {
    const match = this.ignoresRange ? null : /^bytes=(\d+)-(\d+)$/.exec(range ?? '')
    const [start, end] = match === null ? [0, bytes.length] : [Number(match[1]), Number(match[2]) + 1]
    const digest = target.startsWith('sha256:') ? { 'docker-content-digest': target } : {}
    const partial = match === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }
    const head = { 'content-type': type, 'content-length': end - start }
    response.writeHead(match === null ? 200 : 206, { ...head, ...digest, ...partial })
    if (method === 'HEAD') return void response.end()
    this.sending.most = Math.max(this.sending.most, ++this.sending.now)
    response.once('close', () => this.sending.now--)
    await pipeline(this.#parts(bytes.subarray(start, end), kind), response)
  }

  async *#parts(bytes: Uint8Array, kind: Ask['kind']): AsyncIterable<Uint8Array> {
    const startedAt = performance.now()
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const part = bytes.subarray(at, at + CHUNK_BYTES)
      if (kind === 'blob') {
        this.sentBytes += part.length
        this.sent.push({ at: performance.now(), bytes: part.length })
      }
      yield part
      const dueMs =
        this.answerRate === 0 ? 0 : startedAt + ((at + part.length) / this.answerRate) * 1000 - performance.now()
      if (dueMs > 0) await wait(dueMs)
    }
  }
}

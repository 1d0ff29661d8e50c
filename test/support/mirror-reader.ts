import { createHash } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { request } from 'undici'

/** A runtime's GET of one blob, read at the test's pace. */
export class MirrorReader {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly #body: Dispatcher.ResponseData['body']
  readonly #hash = createHash('sha256')
  received = 0

  private constructor(response: Dispatcher.ResponseData) {
    this.status = response.statusCode
    this.headers = response.headers
    this.#body = response.body
  }

  /** `path` below `/v2/`. */
  static async get(mirrorUrl: string, path: string, headers: Record<string, string> = {}): Promise<MirrorReader> {
    return new MirrorReader(await request(`${mirrorUrl}/v2/${path}`, { headers, headersTimeout: 20_000 }))
  }

  /** Reads until at least `bytes` are here, or the body ends. */
  async readAtLeast(bytes: number): Promise<number> {
    const iterator = this.#body.iterator({ destroyOnReturn: false })
    for await (const chunk of iterator) {
      this.#take(chunk)
      if (this.received >= bytes) break
    }
    return this.received
  }

  /** Reads to the end. Answers the digest of everything read, and the error the body ended with, if it did. */
  async readAll(): Promise<{ digest: string; cut: boolean }> {
    let cut = false
    try {
      for await (const chunk of this.#body) this.#take(chunk)
    } catch {
      cut = true
    }
    return { digest: `sha256:${this.#hash.copy().digest('hex')}`, cut }
  }

  /** The client goes away without a word. */
  leave(): void {
    this.#body.on('error', () => {})
    this.#body.destroy()
  }

  #take(chunk: Uint8Array): void {
    this.received += chunk.length
    this.#hash.update(chunk)
  }
}

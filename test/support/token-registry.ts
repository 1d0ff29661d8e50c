import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { UpstreamConfig } from '../../src/config/index.ts'
import type { BuiltImage } from '../../src/demo/index.ts'

/** The one user of the registry. */
export const USER = { username: 'shop', password: 's3cret' }

export function basicOf({ username, password }: typeof USER): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

interface Token {
  readonly scopes: readonly string[]
}

/** A registry with one image under one tag, whose token server gives its user tokens for the scopes asked for, and guests useless ones. */
export class TokenRegistry {
  /** Requests to the registry itself, with the kind of proof; not those to its token server. */
  readonly asked: { readonly path: string; readonly proof: string }[] = []
  /** Scopes asked of the token server. */
  readonly scopes: string[] = []
  /** Lets everybody in. */
  isOpen = false
  /** Says that it does not know what a stranger may not see. */
  hides = false
  #url = ''
  #issued = 0
  readonly #tokens = new Map<string, Token>()
  readonly #files = new Map<string, { readonly bytes: Uint8Array; readonly type: string }>()
  readonly #repository: string

  private constructor(repository: string) {
    this.#repository = repository
  }

  static async start(t: TestContext, image: BuiltImage, repository = 'team/app'): Promise<TokenRegistry> {
    const registry = new TokenRegistry(repository)
    const { manifest, config, layers } = image
    for (const { digest, path, mediaType } of [manifest, config, ...layers]) {
      registry.#files.set(digest, { bytes: await readFile(path), type: mediaType })
    }
    registry.#files.set('v1', registry.#files.get(manifest.digest)!)
    const server = createServer((request, response) => registry.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    registry.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return registry
  }

  upstream(name: string, access: 'public' | 'node' | 'passthrough'): UpstreamConfig {
    const credentials = access === 'node' ? USER : null
    return { name, access, origins: [{ kind: 'registry', url: this.#url, credentials }] }
  }

  /** Ends all tokens given so far. */
  expireTokens(): void {
    this.#tokens.clear()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '', this.#url)
    if (pathname === '/token') return this.#giveToken(request, response, searchParams.getAll('scope'))
    const { authorization = '' } = request.headers
    this.asked.push({ path: pathname, proof: authorization.split(' ')[0] ?? '' })
    response.setHeader('docker-distribution-api-version', 'registry/2.0')
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(pathname)?.[1]
    if (!this.isOpen && !this.#mayRead(authorization, repository))
      return this.#refuse(response, repository, authorization)
    if (pathname === '/v2/') return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    const file = repository === this.#repository ? this.#files.get(pathname.split('/').at(-1) ?? '') : undefined
    if (file === undefined) return void response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
    this.#send(request, response, file)
  }

  #giveToken(request: IncomingMessage, response: ServerResponse, scopes: readonly string[]): void {
    if (request.method !== 'GET') return void response.writeHead(405).end()
    this.scopes.push(...scopes)
    const { authorization } = request.headers
    const isUser = authorization === basicOf(USER)
    if (authorization !== undefined && !isUser) return void response.writeHead(401).end('{"errors":[]}')
    const token = `token-${++this.#issued}`
    this.#tokens.set(token, { scopes: isUser ? scopes : [] })
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ token, access_token: token, expires_in: 300 }))
  }

  #mayRead(authorization: string, repository: string | undefined): boolean {
    const token = this.#tokens.get(authorization.replace(/^Bearer /, ''))
    if (token === undefined) return false
    return repository === undefined || token.scopes.some((scope) => scope === `repository:${repository}:pull`)
  }

  #refuse(response: ServerResponse, repository: string | undefined, authorization: string): void {
    if (this.hides && repository !== undefined && authorization === '') {
      return void response.writeHead(404).end('{"errors":[{"code":"NAME_UNKNOWN"}]}')
    }
    const scope = repository === undefined ? '' : `,scope="repository:${repository}:pull"`
    const challenge = `Bearer realm="${this.#url}/token",service="private"${scope}`
    response.writeHead(401, { 'www-authenticate': challenge }).end('{"errors":[{"code":"UNAUTHORIZED"}]}')
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    { bytes, type }: { readonly bytes: Uint8Array; readonly type: string },
  ): void {
    const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    const start = Number(match?.[1] ?? 0)
    const end = match?.[2] ? Math.min(Number(match[2]) + 1, bytes.length) : bytes.length
    response.writeHead(match === null ? 200 : 206, {
      'content-type': request.url?.includes('/manifests/') ? type : 'application/octet-stream',
      'content-length': end - start,
      ...(match === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
    })
    response.end(request.method === 'HEAD' ? undefined : bytes.subarray(start, end))
  }
}

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { MAX_BLOB_BYTES, manifestChildren, parseManifest } from '../../../src/oci/manifest.ts'
import { parseLink } from '../../../src/origin/distribution-layout.ts'
import { mendHead } from '../../../src/origin/loose-http.ts'
import type { ObjectReader } from '../../../src/origin/object-reader.ts'
import { OciLayoutOrigin } from '../../../src/origin/oci-layout-origin.ts'
import { bytesToSkip } from '../../../src/origin/range-answer.ts'
import { parseRealmEntry, realmTrust } from '../../../src/origin/realm-trust.ts'
import { readTagPage } from '../../../src/origin/registry-tags.ts'
import { readTokenAnswer } from '../../../src/origin/token-answer.ts'
import { parseChallenges } from '../../../src/origin/www-authenticate.ts'
import { headerOf, near, nearText, words } from '../damage.ts'
import { altered, jsonBytes } from '../json.ts'
import { sampleDigest } from '../samples.ts'
import type { Target } from '../target.ts'

const descriptor = (name: string, more: object = {}) =>
  Object.assign(
    { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: sampleDigest(name), size: 1234 },
    more,
  )
const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const MANIFESTS = [
  {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('c'),
    layers: [descriptor('1'), descriptor('2')],
  },
  {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [descriptor('m', { platform }), descriptor('n')],
  },
  { mediaType: 'application/vnd.oci.artifact.manifest.v1+json', blobs: [descriptor('b')], subject: descriptor('s') },
  { schemaVersion: 1, name: 'old', fsLayers: [] },
]

export const manifests: Target = {
  what: 'manifests and indexes',
  input: near(jsonBytes(altered(MANIFESTS))),
  refusals: ['MANIFEST_INVALID'],
  read(bytes) {
    const manifest = parseManifest(bytes)
    for (const { size } of manifestChildren(manifest))
      assert.ok(Number.isSafeInteger(size) && size >= 0 && size <= MAX_BLOB_BYTES)
    return manifest
  },
}

const REGISTRY = new URL('https://registry.corp:5000/')

export const challenges: Target = {
  what: 'WWW-Authenticate challenges, and where their token server is',
  input: nearText(
    fc.oneof(
      fc.constant(
        'Bearer realm="https://auth.corp/token",service="registry.corp",scope="repository:team/app:pull,push"',
      ),
      words([
        'Bearer ',
        'Basic ',
        'Negotiate YII=',
        'realm=',
        '"https://auth.corp/token"',
        'scope=',
        '"a:b:pull"',
        ',',
        ' ',
        '"',
        '\\',
        '=',
        'x',
      ]),
    ),
  ),
  refusals: [],
  read(bytes) {
    const all = parseChallenges(headerOf(bytes))
    for (const { scheme, params } of all) {
      assert.equal(scheme, scheme.toLowerCase())
      const realm = URL.parse(params.get('realm') ?? '')
      if (realm !== null) realmTrust(realm, REGISTRY, ['auth.corp:444', 'https://auth.corp'])
    }
    parseRealmEntry(headerOf(bytes))
    return all.length > 0 ? all : undefined
  },
}

export const tokenAnswers: Target = {
  what: "token servers' answers",
  input: near(
    jsonBytes(
      altered([
        { token: 'eyJh.x', access_token: 'eyJh.y', expires_in: 300, issued_at: '2026-01-01T00:00:00Z' },
        { access_token: 'y', expires_in: '60' },
      ]),
    ),
  ),
  refusals: [],
  read: readTokenAnswer,
}

/** The first line is the Link header. */
export const tagPages: Target = {
  what: "registries' lists of tags, and the Link to the next page",
  input: near(
    fc
      .tuple(
        words([
          '<',
          '>',
          '/v2/team/app/tags/list?n=10&last=v1',
          '; ',
          'rel="next"',
          ' rel=next',
          ', ',
          '"',
          ' ',
          'title="a, b"',
          'https://other.corp',
        ]),
        jsonBytes(
          altered([
            { name: 'team/app', tags: ['v1', 'v2', 'latest'] },
            { tags: null, name: 'a' },
          ]),
        ),
      )
      .map(([link, body]) => Buffer.concat([Buffer.from(`${link}\n`), body])),
  ),
  refusals: [],
  read(bytes) {
    const end = bytes.indexOf(10)
    const page = readTagPage(bytes.subarray(end + 1), headerOf(bytes.subarray(0, Math.max(end, 0))))
    // a page is asked for below the repository, wherever the link points
    if (page?.next !== undefined) assert.match(page.next, /^tags\/list/)
    return page
  },
}

/** What is skipped lies before the range, and is not more than may be thrown away. */
export const contentRanges: Target = {
  what: 'Content-Range of partial answers',
  input: nearText(
    fc.oneof(
      fc
        .tuple(fc.integer({ min: 45, max: 105 }), fc.integer({ min: 195, max: 999 }))
        .map(([start, end]) => `bytes ${start}-${end}/1000`),
      words(['bytes ', '0', '-', '999', '/', '1000', '*', ' ', '99999999999999999']),
    ),
  ),
  refusals: ['ORIGIN_UNREACHABLE', 'ORIGIN_CHANGED'],
  read(bytes) {
    const answer = { status: 206, contentRange: headerOf(bytes), contentLength: undefined }
    const skip = bytesToSkip(answer, { range: { start: 100, end: 200 }, size: 1000, maxSkipBytes: 50, place: 'a' })
    assert.ok(skip >= 0 && skip <= 50)
    return skip
  },
}

/** One length at most comes out, and none beside chunks. */
export const looseHeads: Target = {
  what: 'heads of answers that are no strict HTTP',
  input: nearText(
    words([
      'HTTP/1.1 200 OK',
      '\r\n',
      '\n',
      'Content-Length: 5',
      'Content-Length : 5',
      'content-length: 5, 5',
      'Transfer-Encoding: chunked',
      ' folded',
      '\t',
      ':',
      'X: y',
    ]),
  ),
  refusals: [],
  read(bytes) {
    const [, ...lines] = mendHead(headerOf(bytes)).split('\r\n')
    const fields = lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase())
    assert.ok(fields.every((name) => name !== ''))
    return lines.length > 0 ? lines : undefined
  },
}

const LAYOUTS = [
  {
    schemaVersion: 2,
    manifests: [
      descriptor('m', { annotations: { 'org.opencontainers.image.ref.name': 'v1' } }),
      descriptor('n', { annotations: { 'io.containerd.image.name': 'registry.corp:5000/team/app:v2' } }),
      descriptor('o', { annotations: null }),
    ],
  },
]

/** A layout whose index is the input. */
class IndexReader implements ObjectReader {
  readonly kind = 'directory'
  readonly label = 'input'
  readonly #index: Uint8Array

  constructor(index: Uint8Array) {
    this.#index = index
  }

  async small(path: string) {
    return path === 'index.json' ? { bytes: this.#index, etag: undefined } : undefined
  }

  async size(): Promise<undefined> {}
  async range(): Promise<undefined> {}
  async folders(): Promise<undefined> {}
  async misplaced(): Promise<undefined> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

export const layouts: Target = {
  what: 'indexes of OCI layouts, and links of Distribution ones',
  input: near(
    fc.oneof(
      { weight: 8, arbitrary: jsonBytes(altered(LAYOUTS)) },
      { weight: 1, arbitrary: fc.constant(Buffer.from(`${sampleDigest('m')}\n`)) },
    ),
  ),
  refusals: ['ORIGIN_CHANGED'],
  async read(bytes) {
    if (parseLink(bytes) !== undefined) return true
    const origin = new OciLayoutOrigin(new IndexReader(bytes), 'input')
    const query = { repository: 'team/app', signal: AbortSignal.abort() }
    const page = await origin.listTags(query)
    for (const tag of page?.tags ?? []) {
      const { kind } = await origin.resolveTag(Object.assign({ tag }, query))
      assert.equal(kind, 'found', `${tag} is listed`)
    }
    return page
  },
}

import assert from 'node:assert/strict'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { openOrigin } from '../../../src/origin/index.ts'
import { mendHead } from '../../../src/origin/loose-http.ts'
import { deps, never, readAll, sampleRepository } from './fixtures.ts'

const sample = sampleRepository({ blobBytes: 70_000 })
const { repository, tag, manifest, manifestDigest, blob, blobDigest } = sample
const query = { repository, signal: never }
const OCI = 'application/vnd.oci.image.manifest.v1+json'

/** Bytes of an answer: its head in lines, and its body. */
type Raw = (lines: readonly string[], body: Buffer) => Buffer | { readonly bytes: Buffer; readonly last: true }

/** Writes a head and a body as they are. */
function raw(lines: readonly string[], body: Buffer, end = '\r\n'): Buffer {
  return Buffer.concat([Buffer.from(`${lines.join(end)}${end}${end}`, 'latin1'), body])
}

function chunked(body: Buffer, extension = '', trailer = ''): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < body.length; at += 10_000) {
    const part = body.subarray(at, at + 10_000)
    parts.push(Buffer.from(`${part.length.toString(16)}${extension}\r\n`), part, Buffer.from('\r\n'))
  }
  return Buffer.concat([...parts, Buffer.from(`0\r\n${trailer}\r\n`)])
}

/** A registry that speaks by hand: `answer` writes what a good one's lines and body come to. */
async function handWritten(t: TestContext, answer: Raw): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let text = ''
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const [request = '', ...headers] = text.slice(0, end).split('\r\n')
        text = text.slice(end + 4)
        respond(socket, request, headers, answer)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function respond(socket: Socket, request: string, headers: readonly string[], answer: Raw): void {
  const [method = '', path = ''] = request.split(' ')
  const isManifest = path.includes('/manifests/')
  const whole = isManifest ? manifest : blob
  const range = /^range: bytes=(\d+)-(\d+)$/i.exec(headers.find((line) => /^range:/i.test(line)) ?? '')
  const [start, end] = range === null ? [0, whole.length] : [Number(range[1]), Number(range[2]) + 1]
  const body = whole.subarray(start, end)
  const lines = [
    range === null ? 'HTTP/1.1 200 OK' : 'HTTP/1.1 206 Partial Content',
    'Docker-Distribution-Api-Version: registry/2.0',
    `Content-Type: ${isManifest ? OCI : 'application/octet-stream'}`,
    `Content-Length: ${body.length}`,
    ...(range === null ? [] : [`Content-Range: bytes ${start}-${end - 1}/${whole.length}`]),
  ]
  const written = answer(lines, method === 'HEAD' ? Buffer.alloc(0) : body)
  const { bytes, last } = Buffer.isBuffer(written) ? { bytes: written, last: false } : written
  if (last) socket.end(bytes)
  else socket.write(bytes)
}

function without(lines: readonly string[], name: string): string[] {
  return lines.filter((line) => !line.toLowerCase().startsWith(`${name}:`))
}

const closing = (bytes: Buffer): { bytes: Buffer; last: true } => ({ bytes, last: true })
const status = (lines: readonly string[], text: string): string[] => [text, ...lines.slice(1)]

/** What containerd and skopeo read of registries, proxies and gateways as they are. */
const loose: readonly [title: string, answer: Raw][] = [
  ['as it should be', (lines, body) => raw(lines, body)],
  [
    'without a length, until the connection ends',
    (lines, body) => closing(raw(without(lines, 'content-length'), body)),
  ],
  [
    'in chunks',
    (lines, body) => raw([...without(lines, 'content-length'), 'Transfer-Encoding: chunked'], chunked(body)),
  ],
  [
    'in chunks with extensions and a trailer',
    (lines, body) =>
      raw(
        [...without(lines, 'content-length'), 'Transfer-Encoding: chunked'],
        chunked(body, ';name="x, y"', 'X-Checksum: 1\r\n'),
      ),
  ],
  ['of HTTP/1.0', (lines, body) => closing(raw(status(lines, lines[0]!.replace('1.1', '1.0')), body))],
  [
    'of HTTP/1.0 without a length',
    (lines, body) => closing(raw(without(status(lines, lines[0]!.replace('1.1', '1.0')), 'content-length'), body)),
  ],
  ['without a reason', (lines, body) => raw(status(lines, lines[0]!.slice(0, 13)), body)],
  ['without even the blank before a reason', (lines, body) => raw(status(lines, lines[0]!.slice(0, 12)), body)],
  ['in lines that end in LF only', (lines, body) => raw(lines, body, '\n')],
  [
    'with names in capitals',
    (lines, body) =>
      raw(
        lines.map((line) => line.replace(/^[^:]+:/, (n) => n.toUpperCase())),
        body,
      ),
  ],
  [
    'with names in lower case',
    (lines, body) =>
      raw(
        lines.map((line) => line.replace(/^[^:]+:/, (n) => n.toLowerCase())),
        body,
      ),
  ],
  [
    'without a blank after the colon',
    (lines, body) =>
      raw(
        lines.map((line) => line.replace(': ', ':')),
        body,
      ),
  ],
  [
    'with blanks after values',
    (lines, body) =>
      raw(
        lines.map((line) => line.replace(/^([^:]+:.*)$/, '$1 \t ')),
        body,
      ),
  ],
  ['with a blank before a colon', (lines, body) => raw([...lines, 'X-Odd : 1'], body)],
  ['with a folded header', (lines, body) => raw([...lines, 'X-Policy: a;', '\tb;', '  c'], body)],
  ['with UTF-8 in a value', (lines, body) => raw([...lines, 'X-Owner: J\xc3\xb6rg'], body)],
  [
    'with headers of 40 KiB',
    (lines, body) => raw([...lines, ...Array.from({ length: 20 }, (_, i) => `X-P${i}: ${'p'.repeat(2000)}`)], body),
  ],
  [
    'with Content-Length twice, the same',
    (lines, body) => raw([...lines, lines.find((l) => l.startsWith('Content-L'))!], body),
  ],
  [
    'with Content-Length and chunks, which win',
    (lines, body) => raw([...lines, 'Transfer-Encoding: chunked'], chunked(body)),
  ],
  [
    'after 100 Continue',
    (lines, body) => Buffer.concat([raw(['HTTP/1.1 100 Continue'], Buffer.alloc(0)), raw(lines, body)]),
  ],
  [
    'after 102 and 103',
    (lines, body) =>
      Buffer.concat([
        raw(['HTTP/1.1 102 Processing'], Buffer.alloc(0)),
        raw(['HTTP/1.1 103 Early Hints', 'Link: </x>; rel=preload'], Buffer.alloc(0)),
        raw(lines, body),
      ]),
  ],
  ['with bytes after it', (lines, body) => Buffer.concat([raw(lines, body), Buffer.from('\r\n\r\ntrailing')])],
  [
    'with bytes after it, and the end',
    (lines, body) => closing(Buffer.concat([raw(lines, body), Buffer.from('trailing')])),
  ],
  ['and closes after each', (lines, body) => closing(raw(lines, body))],
  ['and says that it closes', (lines, body) => closing(raw([...lines, 'Connection: close'], body))],
  ['with Connection: keep-alive and closes', (lines, body) => closing(raw([...lines, 'Connection: keep-alive'], body))],
  ['without a type', (lines, body) => raw(without(lines, 'content-type'), body)],
  [
    'of another type',
    (lines, body) => raw([...without(lines, 'content-type'), 'Content-Type: text/plain; charset=utf-8'], body),
  ],
  ['without the version of its API', (lines, body) => raw(without(lines, 'docker-distribution-api-version'), body)],
  [
    'with a digest that is not so',
    (lines, body) => raw([...lines, `Docker-Content-Digest: sha256:${'0'.repeat(64)}`], body),
  ],
  ['with a digest that is none', (lines, body) => raw([...lines, 'Docker-Content-Digest: v1'], body)],
  [
    'with a strange ETag, Date and Age',
    (lines, body) => raw([...lines, 'ETag: x', 'Date: now', 'Age: -1', 'Expires: 0'], body),
  ],
  ['with Content-Encoding: identity', (lines, body) => raw([...lines, 'Content-Encoding: Identity'], body)],
  ['with an empty Content-Encoding', (lines, body) => raw([...lines, 'Content-Encoding:'], body)],
  ['called gzip, and is not', (lines, body) => raw([...lines, 'Content-Encoding: gzip'], body)],
  ...(
    [
      ['gzip', gzipSync],
      ['x-gzip', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
      ['zstd', zstdCompressSync],
    ] as const
  ).map(([name, encode]): [string, Raw] => [
    `in ${name}, which nobody asked for`,
    (lines, body) => {
      // what encodes as it goes knows no length and ignores Range
      const plain = ['HTTP/1.1 200 OK', ...without(without(lines.slice(1), 'content-length'), 'content-range')]
      if (body.length === 0) return raw([...plain, `Content-Length: ${blob.length}`], body)
      const whole = lines.some((line) => line.includes(OCI)) ? manifest : blob
      return raw([...plain, `Content-Encoding: ${name}`, 'Transfer-Encoding: chunked'], chunked(encode(whole)))
    },
  ]),
]

describe('loose HTTP', () => {
  for (const [title, answer] of loose) {
    it(`an answer ${title} is read`, async (t) => {
      const origin = openOrigin({ kind: 'registry', url: await handWritten(t, answer), access: 'public' }, deps)
      t.after(() => origin[Symbol.asyncDispose]())
      // twice: what the first leaves on the connection must not be in the way of the second
      for (let i = 0; i < 2; i++) {
        const found = await origin.resolveTag({ ...query, tag })
        assert.ok(found.kind === 'found')
        assert.equal(found.state.digest, manifestDigest)
        assert.deepEqual(Buffer.from(found.manifest?.bytes ?? []), manifest)
        const again = await origin.resolveTag({ ...query, tag, known: { digest: manifestDigest } })
        assert.equal(again.kind, 'unchanged')
        assert.deepEqual(
          Buffer.from((await origin.manifest({ ...query, digest: manifestDigest }))?.bytes ?? []),
          manifest,
        )
        const size = blob.length
        for (const [start, end] of [
          [0, size],
          [1000, 2000],
        ] as const) {
          const read = { ...query, digest: blobDigest, range: { start, end }, size }
          assert.deepEqual(await readAll(await origin.readBlob(read)), Buffer.from(blob.subarray(start, end)))
        }
      }
    })
  }
})

describe('a head put right', () => {
  for (const [head, mended] of [
    ['HTTP/1.1 200 OK\r\nA: b', 'HTTP/1.1 200 OK\r\nA: b'],
    ['HTTP/1.1 200 OK \nA : b\n\tc\nB:d', 'HTTP/1.1 200 OK\r\nA: b c\r\nB: d'],
    ['HTTP/1.0 200\nno colon\n: none', 'HTTP/1.0 200'],
    ['HTTP/1.0 200\n\n\t: blank name', 'HTTP/1.0 200'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length:5', 'HTTP/1.1 200 OK\r\nContent-Length: 5'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5, 5', 'HTTP/1.1 200 OK\r\nContent-Length: 5'],
    [
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: gzip, Chunked',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked',
    ],
    // two lengths that differ have no right meaning: the parser refuses them
    [
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6',
    ],
  ] as const) {
    it(JSON.stringify(head).slice(0, 80), () => assert.equal(mendHead(head), mended))
  }
})

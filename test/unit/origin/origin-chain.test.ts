import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { isShoalError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import type { Origin } from '../../../src/origin/index.ts'
import { OriginChain, openOrigin, openOriginChain } from '../../../src/origin/index.ts'
import type { TestServer } from './fixtures.ts'
import {
  dataPath,
  deps,
  never,
  REGISTRY_HEADERS,
  readAll,
  sampleRepository,
  serveBytes,
  startServer,
  tagPath,
  tempDir,
  writeTree,
} from './fixtures.ts'

const sample = sampleRepository()
const query = { repository: sample.repository, signal: never }
const size = sample.blob.length
const whole = { ...query, digest: sample.blobDigest, size, range: { start: 0, end: size } }

type Handler = (request: IncomingMessage, response: ServerResponse) => void

interface Registry {
  readonly server: TestServer
  readonly origin: Origin
  answer: Handler
}

/** A registry whose answer to everything can be changed. */
async function startRegistry(t: TestContext, answer: Handler): Promise<Registry> {
  const registry = { answer } as { server: TestServer; origin: Origin; answer: Handler }
  registry.server = await startServer(t, (request, response) => registry.answer(request, response))
  registry.origin = openOrigin({ kind: 'registry', url: registry.server.url, access: 'public' }, deps)
  return registry
}

async function openDirectory(t: TestContext): Promise<{ root: string; origin: Origin }> {
  const root = await tempDir(t)
  await writeTree(root, sample.files)
  return { root, origin: openOrigin({ kind: 'directory', path: root }, deps) }
}

function chainOf(t: TestContext, origins: readonly Origin[], now: () => number = systemClock.now): OriginChain {
  const chain = new OriginChain(origins, { clock: { ...systemClock, now }, logger: silentLogger })
  t.after(() => chain[Symbol.asyncDispose]())
  return chain
}

const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_request, response) =>
    void response.writeHead(code, { ...REGISTRY_HEADERS, ...headers }).end()

const serveBlob: Handler = (request, response) => serveBytes(request, response, sample.blob)

/** Sends `count` bytes of what was asked, then cuts the connection. */
const cutAfter =
  (count: number): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-length': size })
    response.write(sample.blob.subarray(0, count), () => response.destroy())
  }

test('fallback on every kind of failure, and on unknown: the next origin answers', async (t) => {
  for (const code of [404, 401, 403, 429, 500, 503]) {
    const bad = await startRegistry(t, status(code))
    const good = await openDirectory(t)
    const chain = chainOf(t, [bad.origin, good.origin])
    const resolution = await chain.resolveTag({ ...query, tag: 'v1' })
    assert.ok(resolution.kind === 'found', `status ${code}`)
    assert.deepEqual(await chain.statBlob({ ...query, digest: sample.blobDigest }), { size })
    assert.ok((await readAll(await chain.readBlob(whole))).equals(sample.blob))
    assert.deepEqual(await chain.listTags(query), { tags: ['v1'], more: false })
    assert.ok(await chain.manifest({ ...query, digest: sample.manifestDigest }))
  }
})

test('when all say unknown, the answer is unknown', async (t) => {
  const chain = chainOf(t, [(await startRegistry(t, status(404))).origin, (await openDirectory(t)).origin])
  const digest = digestOf(Buffer.from('nowhere'))
  assert.deepEqual(await chain.resolveTag({ ...query, tag: 'v9' }), { kind: 'unknown' })
  assert.equal(await chain.statBlob({ ...query, digest }), undefined)
  assert.equal(await chain.readBlob({ ...whole, digest }), undefined)
  assert.equal(await chain.manifest({ ...query, digest }), undefined)
})

test('when none has it and some failed, the most useful failure is thrown, with the words of all', async (t) => {
  const cases: [number[], string][] = [
    [[404, 500], 'ORIGIN_UNREACHABLE'],
    [[500, 429], 'ORIGIN_THROTTLED'],
    [[500, 403, 429], 'ORIGIN_DENIED'],
  ]
  for (const [codes, expected] of cases) {
    const registries = await Promise.all(codes.map((code) => startRegistry(t, status(code))))
    const chain = chainOf(
      t,
      registries.map(({ origin }) => origin),
    )
    await assert.rejects(chain.statBlob({ ...query, digest: sample.blobDigest }), (error) => {
      assert.ok(isShoalError(error))
      assert.equal(error.code, expected)
      for (const [i, { server }] of registries.entries()) {
        if (codes[i] !== 404) assert.ok(error.message.includes(server.url))
      }
      return true
    })
  }
})

test('fallback mid-blob to the next origin: every byte once, in order, and the sources are told', async (t) => {
  const cut = 100_000
  const first = await startRegistry(t, cutAfter(cut))
  const second = await startRegistry(t, serveBlob)
  const chain = chainOf(t, [first.origin, second.origin])
  const sources: [string, number][] = []
  const chunks = await chain.readBlob({ ...whole, onSource: (label, offset) => void sources.push([label, offset]) })
  assert.ok((await readAll(chunks)).equals(sample.blob))
  const [before, after] = sources
  assert.deepEqual(before, [first.origin.label, 0])
  assert.equal(after?.[0], second.origin.label)
  const reached = after?.[1] ?? 0
  assert.ok(reached > 0 && reached <= cut)
  assert.equal(second.server.requests[0]?.headers.range, `bytes=${reached}-${size - 1}`)
})

test('when every origin fails mid-blob, the read fails and never ends short', async (t) => {
  const first = await startRegistry(t, cutAfter(1000))
  const second = await startRegistry(t, cutAfter(1000))
  const chain = chainOf(t, [first.origin, second.origin])
  await assert.rejects(readAll(await chain.readBlob(whole)), (error) => isShoalError(error, 'ORIGIN_UNREACHABLE'))
})

test('an origin whose blob has another size is passed over', async (t) => {
  const other = await startRegistry(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 3 }).end('abc')
  })
  const chain = chainOf(t, [other.origin, (await openDirectory(t)).origin])
  assert.ok((await readAll(await chain.readBlob(whole))).equals(sample.blob))
})

test('a failed origin rests, is probed by one caller, and comes back when it answers', async (t) => {
  let now = 0
  const flaky = await startRegistry(t, status(500))
  const other = await openDirectory(t)
  const chain = chainOf(t, [flaky.origin, other.origin], () => now)
  const stat = async () => chain.statBlob({ ...query, digest: sample.blobDigest })
  const asked = async (): Promise<number> => {
    const before = flaky.server.requests.length
    await stat()
    return flaky.server.requests.length - before
  }
  // a HEAD, and a GET in case it is only HEAD that fails
  assert.equal(await asked(), 2)
  assert.equal(await asked(), 0, 'rests')
  now += 3000
  assert.equal(await asked(), 2, 'probed')
  assert.equal(await asked(), 0, 'rests again')
  now += 3000
  assert.equal(await asked(), 0, 'rests longer than before')
  now += 3000
  flaky.answer = serveBlob
  assert.equal(await asked(), 1, 'probed again')
  assert.equal(await asked(), 1, 'back in its place')
})

test('a resting origin is still asked when nobody else has the answer', async (t) => {
  const flaky = await startRegistry(t, status(500))
  const other = await startRegistry(t, status(404))
  const chain = chainOf(t, [flaky.origin, other.origin])
  const stat = async () => chain.statBlob({ ...query, digest: sample.blobDigest })
  await assert.rejects(stat())
  flaky.answer = serveBlob
  assert.deepEqual(await stat(), { size })
})

test('an origin that throttles rests for as long as it asks', async (t) => {
  let now = 0
  const busy = await startRegistry(t, status(429, { 'retry-after': '20' }))
  const chain = chainOf(t, [busy.origin, (await openDirectory(t)).origin], () => now)
  const stat = async () => chain.statBlob({ ...query, digest: sample.blobDigest })
  await stat()
  now += 19_000
  await stat()
  assert.equal(busy.server.requests.length, 1)
  now += 2000
  await stat()
  assert.equal(busy.server.requests.length, 2)
})

test('a denial makes nobody rest: it may concern one repository only', async (t) => {
  const locked = await startRegistry(t, status(403))
  const chain = chainOf(t, [locked.origin, (await openDirectory(t)).origin])
  for (let i = 0; i < 2; i++) await chain.statBlob({ ...query, digest: sample.blobDigest })
  assert.equal(locked.server.requests.length, 4, 'each a HEAD, and a GET in case it is only HEAD that is refused')
})

test('a distrusted origin is not asked for that digest for ten minutes, but for others', async (t) => {
  let now = 0
  const liar = await openDirectory(t)
  await writeFile(join(liar.root, dataPath(sample.blobDigest)), Buffer.alloc(size))
  const honest = await startRegistry(t, serveBlob)
  const chain = chainOf(t, [liar.origin, honest.origin], () => now)
  const source = async (): Promise<string> => {
    let label = ''
    const onSource = (name: string): void => {
      label = name
    }
    const bytes = await readAll(await chain.readBlob({ ...whole, onSource }))
    if (digestOf(bytes) !== sample.blobDigest) chain.distrust(label, sample.blobDigest)
    return label
  }
  assert.equal(await source(), liar.origin.label)
  assert.equal(await source(), honest.origin.label)
  let manifestFrom = ''
  const onSource = (name: string): void => {
    manifestFrom = name
  }
  await chain.manifest({ ...query, digest: sample.manifestDigest, onSource })
  assert.equal(manifestFrom, liar.origin.label)
  now += 601_000
  assert.equal(await source(), liar.origin.label)
})

test('an only origin that was wrong is asked again at once, and after that ever later', async (t) => {
  let now = 0
  const { origin } = await openDirectory(t)
  const chain = chainOf(t, [origin], () => now)
  const stat = async () => chain.statBlob({ ...query, digest: sample.blobDigest })
  const wrong = (): void => chain.distrust(origin.label, sample.blobDigest)
  wrong()
  assert.equal((await stat())?.size, size)
  wrong()
  await assert.rejects(stat(), (error) => isShoalError(error, 'CONTENT_CORRUPT'))
  now += 2_000
  assert.equal((await stat())?.size, size)
  wrong()
  now += 2_000
  await assert.rejects(stat(), (error) => isShoalError(error, 'CONTENT_CORRUPT'))
  now += 2_000
  assert.equal((await stat())?.size, size)
})

test('origins to avoid are not asked', async (t) => {
  const first = await startRegistry(t, serveBlob)
  const second = await openDirectory(t)
  const chain = chainOf(t, [first.origin, second.origin])
  const read = await chain.readBlob({ ...whole, avoid: new Set([first.origin.label]) })
  assert.ok((await readAll(read)).equals(sample.blob))
  assert.equal(first.server.requests.length, 0)
  await assert.rejects(chain.readBlob({ ...whole, avoid: new Set(chain.labels) }), (error) =>
    isShoalError(error, 'ORIGIN_UNREACHABLE'),
  )
})

test('an etag is shown only to the origin that gave it', async (t) => {
  const other = Buffer.from('{"schemaVersion":2}')
  const directory = await openDirectory(t)
  const registry = await startRegistry(t, (_request, response) => {
    response.writeHead(200, { 'docker-content-digest': digestOf(other) }).end(other)
  })
  const chain = chainOf(t, [directory.origin, registry.origin])
  const first = await chain.resolveTag({ ...query, tag: 'v1' })
  assert.ok(first.kind === 'found')
  assert.deepEqual(await chain.resolveTag({ ...query, tag: 'v1', known: first.state }), { kind: 'unchanged' })
  await rm(directory.root, { recursive: true })
  const second = await chain.resolveTag({ ...query, tag: 'v1', known: first.state })
  assert.deepEqual(second.kind === 'found' && second.state, { digest: digestOf(other) })
})

test('an abort ends the search at once, with the reason', async (t) => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const hanging = await startRegistry(t, () => controller.abort(reason))
  const next = await startRegistry(t, serveBlob)
  const chain = chainOf(t, [hanging.origin, next.origin])
  await assert.rejects(chain.readBlob({ ...whole, signal: controller.signal }), reason)
  assert.equal(next.server.requests.length, 0)
})

test('a chain is opened from configuration; buckets and directories cannot serve passthrough', async (t) => {
  const { root } = await openDirectory(t)
  const directory = { kind: 'directory' as const, path: root }
  const registry = { kind: 'registry' as const, url: 'http://127.0.0.1:1', credentials: null }
  await using chain = openOriginChain({ name: 'local', access: 'node', origins: [directory, registry] }, deps)
  assert.deepEqual(chain.labels, [`directory ${root}`, 'registry http://127.0.0.1:1'])
  assert.ok((await readAll(await chain.readBlob(whole))).equals(sample.blob))
  assert.throws(
    () => openOriginChain({ name: 'x', access: 'passthrough', origins: [registry, directory] }, deps),
    (error) => isShoalError(error, 'CONFIG_INVALID'),
  )
})

/** A registry that has the sample, but for what `links` says it does not. */
function registryWithSample(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? ''
  const bytes = path.includes('/blobs/') ? sample.blob : sample.manifest
  if (path.includes('/manifests/')) response.setHeader('docker-content-digest', sample.manifestDigest)
  serveBytes(request, response, bytes)
}

test('a bucket beside a registry gives content, and its old tags are not believed', async (t) => {
  const registry = await startServer(t, registryWithSample)
  const root = await tempDir(t)
  await writeTree(root, sample.files)
  const old = digestOf(Buffer.from('an older manifest'))
  await writeTree(root, new Map([[tagPath(sample.repository, 'v1'), Buffer.from(old)]]))
  const directory = { kind: 'directory', path: root } as const
  const origins = [directory, { kind: 'registry', url: registry.url }] as const
  await using chain = openOriginChain({ name: 'corp', access: 'public', origins }, deps)
  const resolution = await chain.resolveTag({ ...query, tag: 'v1' })
  assert.ok(resolution.kind === 'found' && resolution.state.digest === sample.manifestDigest)
  assert.ok((await readAll(await chain.readBlob(whole))).equals(sample.blob))
  assert.ok(!registry.paths().some((path) => path.includes('/blobs/')), 'bytes come from the bucket')

  const truth = [{ ...directory, use: ['resolve', 'pull'] as const }, origins[1]]
  await using own = openOriginChain({ name: 'corp', access: 'public', origins: truth }, deps)
  const resolved = await own.resolveTag({ ...query, tag: 'v1' })
  assert.ok(resolved.kind === 'found' && resolved.state.digest === old, 'unless it is said to be the truth')
})

test('a bucket whose links are in a database gives what the registry has named', async (t) => {
  const registry = await startServer(t, registryWithSample)
  const root = await tempDir(t)
  await writeTree(root, new Map([...sample.files].filter(([path]) => path.endsWith('/data'))))
  const origins = [{ kind: 'directory', path: root } as const, { kind: 'registry', url: registry.url } as const]
  await using chain = openOriginChain({ name: 'corp', access: 'public', origins }, deps)
  const labels: string[] = []
  await readAll(await chain.readBlob({ ...whole, onSource: (label) => labels.push(label) }))
  await chain.manifest({ ...query, digest: sample.manifestDigest })
  await readAll(await chain.readBlob({ ...whole, onSource: (label) => labels.push(label) }))
  assert.match(labels[0] ?? '', /^registry/, 'before the registry has named it')
  assert.match(labels[1] ?? '', /^directory/, 'after')
  const elsewhere = { ...whole, repository: 'team/other', onSource: (label: string) => labels.push(label) }
  await readAll(await chain.readBlob(elsewhere))
  assert.match(labels[2] ?? '', /^registry/, 'in that repository only')
})

test('an origin that calls repositories by another name is asked by it', async (t) => {
  const registry = await startServer(t, registryWithSample)
  const origins = [{ kind: 'registry', url: registry.url, repository: 'dockerhub-proxy/{repository}' } as const]
  await using chain = openOriginChain({ name: 'docker.io', access: 'public', origins }, deps)
  await chain.resolveTag({ ...query, repository: 'library/nginx', tag: 'v1' })
  assert.deepEqual(registry.paths(), ['GET /v2/dockerhub-proxy/library/nginx/manifests/v1'])
})

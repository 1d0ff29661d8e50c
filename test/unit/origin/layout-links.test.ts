import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { digestHex } from '../../../src/oci/digest.ts'
import type { Origin } from '../../../src/origin/index.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import type { TestServer } from './fixtures.ts'
import { deps, never, readAll, sampleRepository, serveBytes, startServer } from './fixtures.ts'

const sample = sampleRepository()
const { repository, blob, blobDigest } = sample
const size = blob.length
const hex = digestHex(blobDigest)
const read = { repository, digest: blobDigest, size, signal: never }

/** A bucket that answers for a blob's link only once the blob itself has been asked for. */
async function bucket(
  t: TestContext,
  missing: (key: string) => boolean,
): Promise<{ origin: Origin; server: TestServer }> {
  const held: (() => void)[] = []
  let isAsked = false
  const answer = (key: string, response: ServerResponse, serve: (bytes: Uint8Array) => void): void => {
    const bytes = missing(key) ? undefined : sample.files.get(key)
    if (bytes !== undefined) return serve(bytes)
    response.writeHead(404, { 'content-type': 'application/xml' }).end('<Error><Code>NoSuchKey</Code></Error>')
  }
  const server = await startServer(t, (request, response) => {
    const key = (request.url ?? '').split('?', 1)[0]!.replace('/images/', '')
    const reply = (): void => answer(key, response, (bytes) => serveBytes(request, response, bytes))
    if (key.endsWith('/data') && key.includes(hex)) {
      isAsked = true
      for (const waiting of held.splice(0)) waiting()
    }
    if (key.includes('/_layers/') && !isAsked) held.push(reply)
    else reply()
  })
  const place = {
    bucket: 'images',
    prefix: '',
    region: 'us-east-1',
    endpoint: server.url,
    forcePathStyle: true,
  } as const
  const origin = openOrigin({ kind: 's3', ...place, credentials: { accessKeyId: 'a', secretAccessKey: 'b' } }, deps)
  t.after(() => origin[Symbol.asyncDispose]())
  return { origin, server }
}

test('a blob of a bucket is one round trip: it is asked for together with its link, and later ranges alone', async (t) => {
  const { origin, server } = await bucket(t, () => false)
  for (const range of [0, 1, 2].map((i) => ({ start: i * 1000, end: (i + 1) * 1000 }))) {
    assert.ok((await readAll(await origin.readBlob({ ...read, range }))).equals(blob.subarray(range.start, range.end)))
  }
  assert.equal(server.requests.length, 4)
})

test('its size is one round trip, too', async (t) => {
  const { origin, server } = await bucket(t, () => false)
  assert.deepEqual(await origin.statBlob(read), { size })
  assert.equal(server.requests.length, 2)
})

test('without a link the repository does not have it, whatever the bucket has', async (t) => {
  const { origin } = await bucket(t, (key) => key.includes('/_layers/'))
  assert.equal(await origin.readBlob({ ...read, range: { start: 0, end: size } }), undefined)
  assert.equal(await origin.statBlob(read), undefined)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { Grants, TagCache } from '../../../src/blob/index.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import type { BlobStore } from '../../../src/store/index.ts'
import { jsonCodec } from '../../../src/store/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { openStore } from '../store/store-fixture.ts'

const bytes = new TextEncoder().encode('{}')
const stored = digestOf(bytes)
const absent = digestOf(new TextEncoder().encode('elsewhere'))

test('rights to content that is not here are swept once nobody has used them for long', async (t) => {
  await using store = await openStore(await tempDir(t))
  await store.putSmall(stored, bytes)
  let now = 1_000
  const grants = new Grants(store, { now: () => now, wall: () => now })
  await grants.confirmBlob({ upstream: 'docker.io', repository: 'a', digest: stored }, 2)
  await grants.confirmBlob({ upstream: 'docker.io', repository: 'a', digest: absent }, 9)
  now = 2_000
  await grants.confirmBlob({ upstream: 'docker.io', repository: 'b', digest: absent }, 9)
  await grants.sweep(1_500)
  assert.equal((await grants.find({ upstream: 'docker.io', repository: 'a', digest: stored }))?.size, 2)
  assert.equal(await grants.find({ upstream: 'docker.io', repository: 'a', digest: absent }), undefined)
  assert.equal((await grants.find({ upstream: 'docker.io', repository: 'b', digest: absent }))?.size, 9)
})

test('a right that was looked up a moment ago is not remembered beyond its end or its change', async (t) => {
  await using store = await openStore(await tempDir(t))
  const grants = new Grants(store, { now: () => 1_000, wall: () => 1_000 })
  await grants.confirmBlob({ upstream: 'docker.io', repository: 'a', digest: absent }, 9)
  for (let i = 0; i < 2; i++)
    assert.equal((await grants.find({ upstream: 'docker.io', repository: 'a', digest: absent }))?.size, 9)
  await grants.confirmBlob({ upstream: 'docker.io', repository: 'a', digest: absent }, 10)
  assert.equal((await grants.find({ upstream: 'docker.io', repository: 'a', digest: absent }))?.size, 10)
  await grants.sweep(1_500)
  assert.equal(await grants.find({ upstream: 'docker.io', repository: 'a', digest: absent }), undefined)
})

test('a home that thousands of hosts ask for one blob looks its right up on the disk once', async (t) => {
  await using store = await openStore(await tempDir(t))
  let lookups = 0
  const counting: Pick<BlobStore, 'size' | 'table'> = {
    size: (digest) => store.size(digest),
    table: (name, codec) => {
      const table = store.table(name, codec)
      const get = (key: string): ReturnType<typeof table.get> => {
        lookups++
        return table.get(key)
      }
      return { get, put: table.put.bind(table), delete: table.delete.bind(table), entries: table.entries.bind(table) }
    },
  }
  let now = 1_000
  const grants = new Grants(counting, { now: () => now, wall: () => now })
  await grants.confirmBlob({ upstream: 'docker.io', repository: 'a', digest: absent }, 9)
  for (let i = 0; i < 1_000; i++)
    assert.equal((await grants.find({ upstream: 'docker.io', repository: 'a', digest: absent }))?.size, 9)
  assert.equal(lookups, 1)
  now += 60_000
  await grants.find({ upstream: 'docker.io', repository: 'a', digest: absent })
  assert.equal(lookups, 2)
})

test('tags are swept by when their upstream last confirmed them', async (t) => {
  await using store = await openStore(await tempDir(t))
  let now = 1_000
  const tags = new TagCache(store, { now: () => now, wall: () => now }, { believeUnmarked: false })
  await tags.keep({ upstream: 'docker.io', repository: 'a', tag: 'old' }, { digest: stored, source: 'origin' }, 0)
  now = 2_500
  await tags.keep(
    { upstream: 'docker.io', repository: 'a', tag: 'new' },
    { digest: stored, etag: 'e', source: 'origin' },
    500,
  )
  await tags.sweep(1_500)
  assert.equal(await tags.find({ upstream: 'docker.io', repository: 'a', tag: 'old' }), undefined)
  const known = await tags.find({ upstream: 'docker.io', repository: 'a', tag: 'new' })
  assert.deepEqual([known?.digest, known?.etag, known?.confirmedEpochMs], [stored, 'e', 2_000])
})

test('the age of a tag does not follow a clock that is set, and is unknown when it would lie in the future', async (t) => {
  await using store = await openStore(await tempDir(t))
  const time = { wall: 10_000, now: 0 }
  const clock = { now: () => time.now, wall: () => time.wall }
  const tags = new TagCache(store, clock, { believeUnmarked: false })
  await tags.keep({ upstream: 'docker.io', repository: 'a', tag: 'v1' }, { digest: stored, source: 'origin' }, 0)
  const known = await tags.find({ upstream: 'docker.io', repository: 'a', tag: 'v1' })
  assert.ok(known !== undefined)
  const seen: (number | undefined)[] = []
  for (const wall of [9_000, 10_000, 99_000]) {
    time.now += 100
    time.wall = wall
    seen.push(tags.ageMs({ upstream: 'docker.io', repository: 'a', tag: 'v1' }, known))
  }
  assert.deepEqual(seen, [100, 200, 300])
  // another process has only the wall clock
  const later = new TagCache(store, clock, { believeUnmarked: false })
  time.wall = 9_999
  assert.equal(later.ageMs({ upstream: 'docker.io', repository: 'a', tag: 'v1' }, known), undefined)
  time.wall = 10_007
  assert.equal(later.ageMs({ upstream: 'docker.io', repository: 'a', tag: 'v1' }, known), 7)
})

test('rows that do not say on whose word they were kept count only with the mark of an origin, or where no member was asked', async (t) => {
  await using store = await openStore(await tempDir(t))
  const clock = { now: () => 1_000, wall: () => 1_000 }
  // as releases up to 0.1.0 wrote them
  const codec = { encode: (row: object) => Buffer.from(JSON.stringify(row)), decode: () => undefined }
  const rows = store.table('tags', codec)
  await rows.put('docker.io/a:heard', { digest: stored, confirmedEpochMs: 900 })
  await rows.put('docker.io/a:asked', { digest: stored, confirmedEpochMs: 900, etag: 'e' })
  const agent = new TagCache(store, clock, { believeUnmarked: false })
  assert.equal(await agent.find({ upstream: 'docker.io', repository: 'a', tag: 'heard' }), undefined)
  assert.equal((await agent.find({ upstream: 'docker.io', repository: 'a', tag: 'asked' }))?.source, 'origin')
  const cache = new TagCache(store, clock, { believeUnmarked: true })
  assert.equal((await cache.find({ upstream: 'docker.io', repository: 'a', tag: 'heard' }))?.source, 'cache')
})

test('the row of a tag whose digest is damaged is none, and the tag is asked for again', async (t) => {
  await using store = await openStore(await tempDir(t))
  const clock = { now: () => 1_000, wall: () => 1_000 }
  const tag = { upstream: 'docker.io', repository: 'a', tag: 'v1' }
  const rows = store.table('tags', jsonCodec(z.object({ digest: z.string(), confirmedEpochMs: z.number() })))
  await rows.put('docker.io/a:v1', { digest: stored.replace('sha256', 'sha25'), confirmedEpochMs: 900 })
  const tags = new TagCache(store, clock, { believeUnmarked: true })
  assert.equal(await tags.find(tag), undefined)
})

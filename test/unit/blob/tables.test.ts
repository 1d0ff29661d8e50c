import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Grants, TagCache } from '../../../src/blob/index.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { openStore } from '../store/store-fixture.ts'

const bytes = new TextEncoder().encode('{}')
const stored = digestOf(bytes)
const absent = digestOf(new TextEncoder().encode('elsewhere'))

test('rights to content that is not here are swept once nobody has used them for long', async (t) => {
  await using store = await openStore(await tempDir(t))
  await store.putSmall(stored, bytes)
  let now = 1_000
  const grants = new Grants(store, () => now)
  await grants.blob('docker.io', 'a', stored, 2)
  await grants.blob('docker.io', 'a', absent, 9)
  now = 2_000
  await grants.blob('docker.io', 'b', absent, 9)
  await grants.sweep(1_500)
  assert.equal((await grants.find('docker.io', 'a', stored))?.size, 2)
  assert.equal(await grants.find('docker.io', 'a', absent), undefined)
  assert.equal((await grants.find('docker.io', 'b', absent))?.size, 9)
})

test('tags are swept by when their upstream last confirmed them', async (t) => {
  await using store = await openStore(await tempDir(t))
  const tags = new TagCache(store)
  await tags.keep('docker.io', 'a', 'old', { digest: stored, confirmedEpochMs: 1_000 })
  await tags.keep('docker.io', 'a', 'new', { digest: stored, etag: 'e', confirmedEpochMs: 2_000 })
  await tags.sweep(1_500)
  assert.equal(await tags.find('docker.io', 'a', 'old'), undefined)
  assert.deepEqual(await tags.find('docker.io', 'a', 'new'), { digest: stored, etag: 'e', confirmedEpochMs: 2_000 })
})

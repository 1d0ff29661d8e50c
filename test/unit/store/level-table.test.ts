import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { StoreTable, TableCodec } from '../../../src/store/index.ts'
import { openStore, temporaryDirectory } from './store-fixture.ts'

/** Text whose rows begin with a version byte. */
const versioned: TableCodec<string> = {
  encode: (value) => Buffer.from(`1${value}`),
  decode: (bytes) => (bytes[0] === 0x31 ? Buffer.from(bytes.subarray(1)).toString() : undefined),
}
const raw: TableCodec<string> = {
  encode: (value) => Buffer.from(value),
  decode: (bytes) => Buffer.from(bytes).toString(),
}

async function rows(table: StoreTable<string>, prefix: string): Promise<(readonly [string, string])[]> {
  const found: (readonly [string, string])[] = []
  for await (const row of table.entries(prefix)) found.push(row)
  return found
}

test('a table keeps its rows across restarts, apart from other tables', async () => {
  await using directory = await temporaryDirectory()
  {
    await using store = await openStore(directory.path)
    const tags = store.table('tags', raw)
    await tags.put('docker.io/library/alpine:3', 'a')
    await tags.put('docker.io/library/alpine:4', 'b')
    await tags.put('docker.io/library/alpine:4', 'c')
    await tags.put('quay.io/x:1', 'd')
    await tags.delete('docker.io/library/alpine:3')
    await store.table('tags2', raw).put('docker.io/library/alpine:5', 'other')
    await store.table('tag', raw).put('docker.io/library/alpine:6', 'other')
  }
  await using store = await openStore(directory.path)
  const tags = store.table('tags', raw)
  assert.equal(await tags.get('docker.io/library/alpine:3'), undefined)
  assert.equal(await tags.get('docker.io/library/alpine:4'), 'c')
  assert.deepEqual(await rows(tags, 'docker.io/'), [['docker.io/library/alpine:4', 'c']])
  assert.deepEqual((await rows(tags, '')).length, 2)
  assert.deepEqual(await rows(tags, 'z'), [])
})

test('rows a codec does not understand are dropped', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const old = store.table('rows', raw)
  const table = store.table('rows', versioned)
  await old.put('a', '0old')
  await old.put('b', '0old')
  await table.put('c', 'new')
  assert.equal(await table.get('a'), undefined)
  assert.deepEqual(await rows(table, ''), [['c', 'new']])
  await table.put('d', 'later')
  assert.deepEqual(await rows(old, ''), [
    ['c', '1new'],
    ['d', '1later'],
  ])
})

test('keys are bounded and names restricted', async () => {
  await using directory = await temporaryDirectory()
  await using store = await openStore(directory.path)
  const refused = (error: unknown): boolean => isShoalError(error, 'STORE_FAILED')
  assert.throws(() => store.table('a!b', raw), refused)
  const table = store.table('rows', raw)
  await table.put('k'.repeat(1024), 'v')
  for (const key of ['', 'k'.repeat(1025)]) {
    await assert.rejects(table.put(key, 'v'), refused)
    await assert.rejects(table.get(key), refused)
    await assert.rejects(table.delete(key), refused)
  }
  assert.equal((await rows(table, '')).length, 1)
})

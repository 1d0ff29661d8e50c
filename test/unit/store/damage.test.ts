import assert from 'node:assert/strict'
import { cp, mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Digest } from '../../../src/oci/digest.ts'
import type { DiskStore } from '../../../src/store/index.ts'
import { RecordedLogger } from '../../integration/swarm-support.ts'
import { tempDir } from '../../support/temp-dir.ts'
import {
  assertBytes,
  contentOf,
  MIB,
  openStore,
  storeBlob,
  temporaryDirectory,
  testBlob,
  writePieces,
} from './store-fixture.ts'

const NOTES = {
  encode: (text: string): Uint8Array => Buffer.from(text),
  decode: (bytes: Uint8Array): string => Buffer.from(bytes).toString(),
}
const [BLOB, PARTIAL] = [testBlob(2 * MIB + 9, 1), testBlob(3 * MIB, 2)]

/** What of a store can outlive a damage. Files of complete blobs always do. */
const KEEPABLE = ['partial', 'pin', 'row'] as const
type Keepable = (typeof KEEPABLE)[number]

/** A store with rows both in a table file and in the log, as an earlier process left it. */
async function wornStore(path: string): Promise<void> {
  {
    await using store = await openStore(path)
    await storeBlob(store, BLOB)
    await using partial = await store.openPartial(PARTIAL.layout)
    await writePieces(partial, PARTIAL, [0, 2, 5])
    await store.pin(BLOB.digest, Number.POSITIVE_INFINITY)
    await store.table('notes', NOTES).put('key', 'kept')
  }
  // its rows go from the log into a table file
  await using again = await openStore(path)
  await again.table('notes', NOTES).put('later', 'in the log')
}

async function kept(store: DiskStore): Promise<Keepable[]> {
  const partial = store.list().find(({ digest }) => digest === PARTIAL.digest)
  const pinned = store.list().find(({ digest }) => digest === BLOB.digest)?.pinnedUntilEpochMs !== undefined
  const row = await store.table('notes', NOTES).get('key')
  return KEEPABLE.filter((what) => ({ partial: partial !== undefined, pin: pinned, row: row === 'kept' })[what])
}

const level = (path: string): string => join(path, 'level')

async function fileOf(path: string, pattern: RegExp): Promise<string> {
  const name = (await readdir(level(path))).filter((file) => pattern.test(file)).sort()[0]
  assert.ok(name !== undefined, `no ${pattern}`)
  return join(level(path), name)
}

async function half(path: string): Promise<void> {
  await truncate(path, Math.floor((await stat(path)).size / 2))
}

async function zero(path: string): Promise<void> {
  await writeFile(path, Buffer.alloc((await stat(path)).size))
}

const ALL = KEEPABLE
const [MANIFEST, TABLE, LOG] = [/^MANIFEST/, /\.ldb$/, /\.log$/]
type Damage = (path: string) => Promise<void>

/** What is done to a closed store, and what of it is there after the next start. */
const DAMAGES: Record<string, readonly [damage: Damage, kept: readonly Keepable[]]> = {
  'MANIFEST missing': [async (path) => rm(await fileOf(path, MANIFEST)), ALL],
  'MANIFEST empty': [async (path) => truncate(await fileOf(path, MANIFEST), 0), ALL],
  'MANIFEST cut': [async (path) => half(await fileOf(path, MANIFEST)), ALL],
  'MANIFEST zeroed': [async (path) => zero(await fileOf(path, MANIFEST)), ALL],
  'CURRENT missing': [(path) => rm(join(level(path), 'CURRENT')), ALL],
  'CURRENT empty': [(path) => truncate(join(level(path), 'CURRENT'), 0), ALL],
  'CURRENT cut': [(path) => half(join(level(path), 'CURRENT')), ALL],
  'a table missing': [async (path) => rm(await fileOf(path, TABLE)), []],
  'a table empty': [async (path) => truncate(await fileOf(path, TABLE), 0), []],
  'a table zeroed': [async (path) => zero(await fileOf(path, TABLE)), []],
  'the log missing': [async (path) => rm(await fileOf(path, LOG)), ALL],
  'the log zeroed': [async (path) => zero(await fileOf(path, LOG)), ALL],
  'the index missing': [(path) => rm(level(path), { recursive: true }), []],
  'the index a file': [
    async (path) => {
      await rm(level(path), { recursive: true })
      await writeFile(level(path), 'what is this')
    },
    [],
  ],
  'format empty': [(path) => truncate(join(path, 'format'), 0), ALL],
  'format zeroed': [(path) => zero(join(path, 'format')), ALL],
  'format cut': [(path) => half(join(path, 'format')), ALL],
  'format missing': [(path) => rm(join(path, 'format')), ALL],
  'blobs missing': [(path) => rm(join(path, 'blobs'), { recursive: true }), ['partial', 'row']],
  'partial missing': [(path) => rm(join(path, 'partial'), { recursive: true }), ['pin', 'row']],
}

test('a start survives every damage to the files of a store', async (t) => {
  const good = join(await tempDir(t), 'good')
  await wornStore(good)
  for (const [name, [damage, expected]] of Object.entries(DAMAGES)) {
    await t.test(name, async (t) => {
      const path = join(await tempDir(t), 'store')
      await cp(good, path, { recursive: true })
      await damage(path)
      const hasBlob = name !== 'blobs missing'
      for (const start of ['the first', 'the next']) {
        const log = new RecordedLogger()
        await using store = await openStore(path, {}, { logger: log })
        if (hasBlob) assertBytes(await contentOf(store, BLOB.digest), BLOB.bytes, start)
        else assert.equal(await contentOf(store, BLOB.digest), undefined)
        assert.deepEqual(await kept(store), expected, start)
        if (start === 'the next') assert.deepEqual(log.warnings, [], 'mended, and not again')
        const fresh = testBlob(MIB, 9)
        if (store.size(fresh.digest) === undefined) await storeBlob(store, fresh)
      }
    })
  }
})

test('broken files are kept aside, a bounded number of them', async (t) => {
  const path = join(await tempDir(t), 'store')
  await wornStore(path)
  for (let i = 0; i < 4; i++) {
    await rm(level(path), { recursive: true })
    await writeFile(level(path), `broken ${i}`)
    await truncate(join(path, 'format'), 0)
    await (await openStore(path))[Symbol.asyncDispose]()
  }
  const aside = (await readdir(path)).filter((name) => name.includes('.broken-')).sort()
  assert.equal(aside.length, 4, aside.join())
  const indexes = aside.filter((name) => name.startsWith('level.'))
  assert.equal(await readFile(join(path, indexes.at(-1)!), 'utf8'), 'broken 3')
})

test('a directory of another program is refused, with and without a format file of its own', async (t) => {
  const directory = await tempDir(t)
  const cases: Record<string, readonly string[]> = {
    'another format file': ['format'],
    'an OCI layout': ['blobs/sha256/ab'],
    'a file': ['notes.txt'],
  }
  for (const [name, files] of Object.entries(cases)) {
    const path = join(directory, name)
    for (const file of files) {
      await mkdir(join(path, file, '..'), { recursive: true })
      await writeFile(join(path, file), 'theirs')
    }
    await assert.rejects(openStore(path), { code: 'STORE_FAILED' }, name)
    for (const file of files) assert.equal(await readFile(join(path, file), 'utf8'), 'theirs')
  }
})

test('after an index was begun anew, a file that is not what its name says is not served', async () => {
  await using directory = await temporaryDirectory()
  const other: Digest = testBlob(2 * MIB + 9, 7).digest
  await wornStore(directory.path)
  await rm(level(directory.path), { recursive: true })
  const file = join(directory.path, 'blobs/sha256', BLOB.digest.slice(7, 9), BLOB.digest.slice(7))
  const bytes = await readFile(file)
  bytes[MIB] = bytes[MIB]! ^ 1
  await writeFile(file, bytes)
  await using store = await openStore(directory.path)
  assert.equal(await contentOf(store, BLOB.digest), undefined)
  assert.equal(await contentOf(store, other), undefined)
  await storeBlob(store, BLOB)
  assertBytes(await contentOf(store, BLOB.digest), BLOB.bytes)
})

async function garble(path: string, from: number, bytes: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(bytes, 0xff), 0, bytes, from)
  await file.close()
}

/** What is done to the index of an open store. A table that is cut is left out: it is mapped, and the system ends who reads it. */
const WHILE_OPEN: Record<string, Damage> = {
  'a table garbled': async (path) => garble(await fileOf(path, TABLE), 0, 64),
  'a table zeroed': async (path) => zero(await fileOf(path, TABLE)),
  'a table missing': async (path) => rm(await fileOf(path, TABLE)),
  'the log garbled': async (path) => garble(await fileOf(path, LOG), 0, 7),
  'the log cut': async (path) => truncate(await fileOf(path, LOG), 5),
  'the log missing': async (path) => rm(await fileOf(path, LOG)),
  'MANIFEST missing': async (path) => rm(await fileOf(path, MANIFEST)),
  'MANIFEST zeroed': async (path) => zero(await fileOf(path, MANIFEST)),
  'CURRENT empty': (path) => truncate(join(level(path), 'CURRENT'), 0),
  'the index missing': (path) => rm(level(path), { recursive: true }),
  'the index a file': async (path) => {
    await rm(level(path), { recursive: true })
    await writeFile(level(path), 'what is this')
  },
}

test('damage to the index of an open store stops nothing, is mended at once, and the next start finds all blobs', async (t) => {
  const good = join(await tempDir(t), 'good')
  await wornStore(good)
  for (const [name, damage] of Object.entries(WHILE_OPEN)) {
    await t.test(name, async (t) => {
      const path = join(await tempDir(t), 'store')
      await cp(good, path, { recursive: true })
      const [fresh, later] = [testBlob(MIB, 9), testBlob(MIB, 10)]
      {
        await using store = await openStore(path)
        await damage(path)
        const notes = store.table('notes', NOTES)
        for (let i = 0; i < 3; i++) await notes.get('key')
        for await (const [, value] of notes.entries('')) assert.ok(value.length > 0)
        await notes.put('key', 'again')
        await storeBlob(store, fresh)
        assertBytes(await contentOf(store, BLOB.digest), BLOB.bytes)
        assertBytes(await contentOf(store, fresh.digest), fresh.bytes)
        {
          await using partial = await store.openPartial(PARTIAL.layout)
          await writePieces(
            partial,
            PARTIAL,
            Array.from({ length: PARTIAL.layout.count }, (_, i) => i),
          )
          await partial.commit()
        }
        await storeBlob(store, later)
        assert.equal(await notes.get('key'), 'again')
      }
      await using store = await openStore(path)
      for (const blob of [BLOB, fresh, PARTIAL, later]) assertBytes(await contentOf(store, blob.digest), blob.bytes)
    })
  }
})

test('an index that was mended while its store was open has all pins and blobs, and no start mends it again', async (t) => {
  const path = join(await tempDir(t), 'store')
  await wornStore(path)
  const log = new RecordedLogger()
  {
    await using store = await openStore(path, {}, { logger: log })
    await garble(await fileOf(path, TABLE), 0, 64)
    assert.equal(await store.table('notes', NOTES).get('key'), undefined)
    await store.table('notes', NOTES).put('key', 'again')
  }
  assert.match(log.warnings.join('\n'), /is damaged.*is mended/s)
  const next = new RecordedLogger()
  await using store = await openStore(path, {}, { logger: next })
  assert.deepEqual(next.warnings, [])
  assert.deepEqual(await kept(store), ['partial', 'pin'])
  assert.equal(await store.table('notes', NOTES).get('key'), 'again')
})

test('an index that ends the process whenever it is opened is repaired after some starts, then begun anew', async (t) => {
  for (const [ends, mended] of [
    [2, undefined],
    [3, 'repaired'],
    [5, 'anew'],
  ] as const) {
    const path = join(await tempDir(t), 'store')
    await wornStore(path)
    await writeFile(`${level(path)}.opening`, String(ends))
    const log = new RecordedLogger()
    {
      await using store = await openStore(path, {}, { logger: log })
      assertBytes(await contentOf(store, BLOB.digest), BLOB.bytes)
      assert.deepEqual(await kept(store), mended === 'anew' ? [] : ALL)
    }
    assert.equal(log.warnings.length, mended === undefined ? 0 : 1, log.warnings.join('\n'))
    assert.ok(!(await readdir(path)).includes('level.opening'))
  }
})

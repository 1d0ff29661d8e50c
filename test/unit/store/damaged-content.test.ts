import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import type { MetricRegistry } from '../../../src/base/metrics.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import type { DiskStore } from '../../../src/store/index.ts'
import { StorePaths } from '../../../src/store/paths.ts'
import { RecordedLogger } from '../../integration/swarm-support.ts'
import type { Harm } from '../../support/harms.ts'
import { HARMS } from '../../support/harms.ts'
import { tempDir } from '../../support/temp-dir.ts'
import type { TestBlob } from './store-fixture.ts'
import { allPieces, assertBytes, contentOf, MIB, openStore, storeBlob, testBlob, writePieces } from './store-fixture.ts'

/** What a complete blob may be; each is read as its readers do. */
const BLOBS: Record<string, TestBlob> = {
  'of many pieces': testBlob(2 * MIB + 9, 1),
  'of one piece': testBlob(40_000, 2),
  'of sha512': testBlob(40_000, 3, 'sha512'),
}

/** Undefined when the store does not give it. Never what it was not. */
async function read(store: DiskStore, blob: TestBlob): Promise<Uint8Array | undefined> {
  return await contentOf(store, blob.digest).catch((error) => {
    if (isShoalError(error, 'STORE_CORRUPT')) return undefined
    throw error
  })
}

/** What a host does with a blob it has not, or has no more: fetches it, whole or what is missing of it. */
async function fetchAgain(store: DiskStore, blob: TestBlob): Promise<void> {
  await using partial = await store.openPartial(blob.layout)
  await writePieces(partial, blob, allPieces(blob))
  assert.deepEqual(await partial.recheck(), [])
  await partial.commit()
}

async function isWell(path: string, blobs: readonly TestBlob[]): Promise<void> {
  await using store = await openStore(path)
  for (const blob of blobs) assertBytes(await contentOf(store, blob.digest), blob.bytes)
}

async function forEachHarm(
  t: TestContext,
  run: (path: string, harm: Harm) => Promise<void>,
  harms: Record<string, Harm> = HARMS,
): Promise<void> {
  for (const [name, harm] of Object.entries(harms)) {
    await t.test(name, async (t) => run(join(await tempDir(t), 'store'), harm))
  }
}

const OTHER = testBlob(MIB, 9)

for (const [kind, blob] of Object.entries(BLOBS)) {
  test(`the file of a blob ${kind}, changed before a start: never served wrong, and stored again`, async (t) => {
    await forEachHarm(t, async (path, harm) => {
      {
        await using store = await openStore(path)
        await storeBlob(store, blob)
        await storeBlob(store, OTHER)
      }
      await harm(new StorePaths(path).blob(blob.digest))
      {
        await using store = await openStore(path)
        assertBytes((await read(store, blob)) ?? blob.bytes, blob.bytes)
        assertBytes(await contentOf(store, OTHER.digest), OTHER.bytes)
        if (store.size(blob.digest) === undefined) await fetchAgain(store, blob)
      }
      await isWell(path, [blob, OTHER])
    })
  })

  test(`the file of a blob ${kind}, changed while the store is open: never served wrong, and stored again`, async (t) => {
    await forEachHarm(t, async (path, harm) => {
      {
        const log = new RecordedLogger()
        let counted = 0
        const metrics: MetricRegistry = {
          ...noMetrics,
          counter: (name) => ({ inc: () => (counted += Number(name === 'shoal_store_corrupt_total')) }),
        }
        await using store = await openStore(path, {}, { logger: log, metrics })
        const told: string[] = []
        store.onDamage(({ digest }) => told.push(digest))
        await storeBlob(store, blob)
        await harm(new StorePaths(path).blob(blob.digest))
        assertBytes((await read(store, blob)) ?? blob.bytes, blob.bytes)
        assertBytes((await store.readSmall(blob.digest, 8 * MIB)) ?? blob.bytes, blob.bytes)
        assert.deepEqual([counted, log.warnings.length, told], [1, 1, [blob.digest]], log.warnings.join('\n'))
        if (store.size(blob.digest) === undefined) await fetchAgain(store, blob)
        assertBytes(await contentOf(store, blob.digest), blob.bytes)
      }
      await isWell(path, [blob])
    })
  })

  test(`the file of a blob ${kind}, changed while it is being read: never read wrong, and stored again`, async (t) => {
    await forEachHarm(t, async (path, harm) => {
      {
        await using store = await openStore(path)
        await storeBlob(store, blob)
        {
          await using handle = await store.open(blob.digest)
          assert.ok(handle !== undefined)
          await harm(new StorePaths(path).blob(blob.digest))
          const bytes = new Uint8Array(blob.bytes.length)
          const isRead = await handle.readInto(bytes, 0).then(
            () => true,
            (error) => {
              if (isShoalError(error, 'STORE_CORRUPT')) return false
              throw error
            },
          )
          if (isRead) assertBytes(bytes, blob.bytes)
        }
        await read(store, blob)
        if (store.size(blob.digest) === undefined) await fetchAgain(store, blob)
        assertBytes(await contentOf(store, blob.digest), blob.bytes)
      }
      await isWell(path, [blob])
    })
  })
}

const HALF = testBlob(2 * MIB + 9, 4)

test('the file of a partial, changed before a start: its sound pieces are kept, and it is completed', async (t) => {
  await forEachHarm(t, async (path, harm) => {
    {
      await using store = await openStore(path)
      await storeBlob(store, OTHER)
      await using partial = await store.openPartial(HALF.layout)
      await writePieces(partial, HALF, [0, 2, 5])
    }
    await harm(new StorePaths(path).partial(HALF.digest))
    {
      await using store = await openStore(path)
      await fetchAgain(store, HALF)
      assertBytes(await contentOf(store, OTHER.digest), OTHER.bytes)
    }
    await isWell(path, [HALF, OTHER])
  })
})

test('the file of a partial, changed while the store is open and the partial is not: completed all the same', async (t) => {
  await forEachHarm(t, async (path, harm) => {
    {
      await using store = await openStore(path)
      {
        await using partial = await store.openPartial(HALF.layout)
        await writePieces(partial, HALF, [0, 2, 5])
      }
      await harm(new StorePaths(path).partial(HALF.digest))
      await fetchAgain(store, HALF)
    }
    await isWell(path, [HALF])
  })
})

test('the file of a partial, changed while it is being assembled: completed, and stored', async (t) => {
  await forEachHarm(t, async (path, harm) => {
    {
      await using store = await openStore(path)
      {
        await using partial = await store.openPartial(HALF.layout)
        await writePieces(partial, HALF, [0, 2, 5])
        await harm(new StorePaths(path).partial(HALF.digest))
        await writePieces(partial, HALF, allPieces(HALF))
        await partial.recheck()
        await writePieces(partial, HALF, allPieces(HALF))
        await partial.commit()
        const bytes = new Uint8Array(HALF.bytes.length)
        await partial.readInto(bytes, 0)
        assertBytes(bytes, HALF.bytes)
      }
      await read(store, HALF)
      if (store.size(HALF.digest) === undefined) await fetchAgain(store, HALF)
      assertBytes(await contentOf(store, HALF.digest), HALF.bytes)
    }
    await isWell(path, [HALF])
  })
})

test('what is in the way of a small blob that is put does not keep it out', async (t) => {
  const blob = BLOBS['of one piece']!
  await forEachHarm(t, async (path, harm) => {
    {
      await using store = await openStore(path)
      const staging = new StorePaths(path).staging(blob.digest)
      await writeFile(staging, 'left behind')
      await harm(staging)
      await store.putSmall(blob.digest, blob.bytes)
      assertBytes(await store.readSmall(blob.digest, MIB), blob.bytes)
    }
    await isWell(path, [blob])
  })
})

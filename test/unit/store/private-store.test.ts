import assert from 'node:assert/strict'
import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { StorePaths } from '../../../src/store/paths.ts'
import { openStore, PIECE, pieceOf, temporaryDirectory, testBlob } from './store-fixture.ts'

const isRoot = process.geteuid?.() === 0

/** Whatever others may open below a path: they get nowhere behind a directory that they cannot enter. */
async function openToOthers(path: string): Promise<string[]> {
  const found = await stat(path)
  const own = (found.mode & 0o077) === 0 ? [] : [`${path} ${(found.mode & 0o777).toString(8)}`]
  if (!found.isDirectory() || (found.mode & 0o011) === 0) return own
  const below = await Promise.all((await readdir(path)).map((name) => openToOthers(join(path, name))))
  return [...own, ...below.flat()]
}

test('a store in directories that were there is private, whatever rights they had', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'store')
  {
    await using store = await openStore(path)
    await store.putSmall(testBlob(100, 1).digest, testBlob(100, 1).bytes)
  }
  for (const name of ['.', ...(await readdir(path, { recursive: true }))]) await chmod(join(path, name), 0o777)
  await using store = await openStore(path)
  const [small, large] = [testBlob(100, 2), testBlob(3 * PIECE, 3)]
  await store.putSmall(small.digest, small.bytes)
  await using partial = await store.openPartial(large.layout)
  await partial.write(0, pieceOf(large, 0), pieceOf(large, 0).subarray(0, 32))
  for (const part of ['', 'blobs', 'blobs/sha256', 'partial', 'partial/sha256', 'level']) {
    assert.deepEqual(await openToOthers(join(path, part)), [], part)
  }
  const paths = new StorePaths(path)
  for (const file of [paths.blob(small.digest), paths.partial(large.digest)]) {
    assert.equal((await stat(file)).mode & 0o777, 0o600, file)
  }
})

test('a store directory of another user is refused, by path and mode', { skip: !isRoot && 'needs root' }, async () => {
  for (const part of ['', 'blobs', 'partial/sha256', 'level']) {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'store')
    await (await openStore(path))[Symbol.asyncDispose]()
    await chown(join(path, part), 65_534, 65_534)
    await chmod(join(path, part), 0o750)
    await assert.rejects(openStore(path), (error: Error) => {
      return error.message.includes(join(path, part)) && /mode 750.*uid 65534/.test(error.message)
    })
  }
})

test('a link in the place of a directory of the store is not followed', async () => {
  await using directory = await temporaryDirectory()
  const [path, elsewhere] = [join(directory.path, 'store'), join(directory.path, 'elsewhere')]
  await mkdir(path, { mode: 0o700 })
  await mkdir(join(elsewhere, 'sha256'), { recursive: true })
  await writeFile(join(path, 'format'), 'shoal-store 1\n')
  await symlink(elsewhere, join(path, 'blobs'))
  const blob = testBlob(100, 3)
  {
    await using store = await openStore(path)
    await store.putSmall(blob.digest, blob.bytes)
  }
  assert.deepEqual([await readdir(elsewhere), await readdir(join(elsewhere, 'sha256'))], [['sha256'], []])
  assert.ok((await readdir(path)).some((name) => name.startsWith('blobs.broken-')))
})

test("a store may be reached by a link, which is the operator's own", async () => {
  await using directory = await temporaryDirectory()
  await mkdir(join(directory.path, 'disk'))
  await symlink(join(directory.path, 'disk'), join(directory.path, 'store'))
  await using store = await openStore(join(directory.path, 'store'))
  const blob = testBlob(100, 4)
  await store.putSmall(blob.digest, blob.bytes)
  assert.equal(store.size(blob.digest), 100)
})

for (const when of ['before the start', 'while it runs'] as const) {
  test(`a link that lies where content is written, put there ${when}, changes nothing it points to`, async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'store')
    const victim = join(directory.path, 'victim')
    await writeFile(victim, 'do not touch')
    const [small, large] = [testBlob(100, 5), testBlob(3 * PIECE, 6)]
    const paths = new StorePaths(path)
    const plant = async (): Promise<void> => {
      for (const place of [paths.staging(small.digest), paths.partial(large.digest)]) await symlink(victim, place)
    }
    if (when === 'before the start') {
      await (await openStore(path))[Symbol.asyncDispose]()
      await plant()
    }
    await using store = await openStore(path)
    if (when === 'while it runs') await plant()
    const written = [
      await store.putSmall(small.digest, small.bytes).then(
        () => true,
        () => false,
      ),
      await store.openPartial(large.layout).then(
        async (partial) => {
          await partial[Symbol.asyncDispose]()
          return true
        },
        () => false,
      ),
    ]
    assert.deepEqual(written, [true, true])
    assert.equal(await readFile(victim, 'utf8'), 'do not touch')
  })
}

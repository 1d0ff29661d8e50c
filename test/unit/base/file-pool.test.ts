import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import { readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PooledFile } from '../../../src/base/file-pool.ts'
import { FilePool } from '../../../src/base/file-pool.ts'
import { tempDir } from '../../support/temp-dir.ts'

const MOST = 3

/** Descriptors of this process below a directory. */
async function openBelow(directory: string): Promise<number> {
  const descriptors = await readdir('/proc/self/fd')
  const all = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return all.filter((path) => path.startsWith(directory)).length
}

async function readText(file: PooledFile): Promise<string> {
  const bytes = Buffer.alloc(100)
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
  return bytes.toString('utf8', 0, bytesRead)
}

test('many files are read and written at once with few descriptors', async (t) => {
  const directory = await tempDir(t)
  const pool = new FilePool(MOST)
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC
  const files = await Promise.all(Array.from({ length: 20 }, (_, i) => pool.open(join(directory, `${i}`), flags)))
  await Promise.all(files.map((file, i) => file.write(Buffer.from(`file ${i}`), 0, Buffer.byteLength(`file ${i}`), 0)))
  let most = 0
  const texts = await Promise.all(
    files.map(async (file) => {
      const text = await readText(file)
      most = Math.max(most, await openBelow(directory))
      return text
    }),
  )
  assert.deepEqual(
    texts,
    files.map((_, i) => `file ${i}`),
  )
  assert.ok(most <= MOST, `${most} open`)
  await Promise.all(files.map((file) => file.close()))
  assert.equal(await openBelow(directory), 0)
})

test('a file that was renamed is found under its new name, and one that has gone is missing', async (t) => {
  const directory = await tempDir(t)
  const pool = new FilePool(1)
  await writeFile(join(directory, 'a'), 'content of a')
  await writeFile(join(directory, 'b'), 'content of b')
  const a = await pool.open(join(directory, 'a'), constants.O_RDONLY)
  const b = await pool.open(join(directory, 'b'), constants.O_RDONLY)
  await rename(join(directory, 'a'), join(directory, 'c'))
  a.moved(join(directory, 'c'))
  assert.equal(await readText(a), 'content of a')
  await rm(join(directory, 'b'))
  await assert.rejects(readText(b), { code: 'ENOENT' })
  assert.equal(await readText(a), 'content of a')
  await Promise.all([a.close(), b.close()])
})

test('opening a file again neither empties nor makes it', async (t) => {
  const directory = await tempDir(t)
  const path = join(directory, 'a')
  const pool = new FilePool(1)
  const file = await pool.open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC)
  await file.write(Buffer.from('kept'), 0, 4, 0)
  const other = await pool.open(join(directory, 'b'), constants.O_WRONLY | constants.O_CREAT)
  await file.write(Buffer.from('!'), 0, 1, 4)
  assert.equal(await readFile(path, 'utf8'), 'kept!')
  await other.sync()
  await rm(path)
  await assert.rejects(file.sync(), { code: 'ENOENT' })
  assert.deepEqual(await readdir(directory), ['b'])
  await Promise.all([file.close(), other.close()])
})

import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setAside } from '../../../src/base/set-aside.ts'
import { tempDir } from '../../support/temp-dir.ts'

const WALL = Date.UTC(2026, 10, 28, 20, 5, 12, 345)

test('what is broken is kept beside its place with its time, the latest two of each', async (t) => {
  const directory = await tempDir(t)
  const path = join(directory, 'level')
  const beside = join(directory, 'format')
  await writeFile(beside, 'x')
  for (const [i, wall] of [WALL, WALL, WALL + 1_000].entries()) {
    await mkdir(path)
    await writeFile(join(path, 'content'), `${i}`)
    const aside = await setAside(path, wall)
    assert.equal(await readFile(join(aside, 'content'), 'utf8'), `${i}`)
  }
  await setAside(beside, WALL)
  assert.deepEqual((await readdir(directory)).sort(), [
    'format.broken-20261128T200512Z',
    'level.broken-20261128T200512Z-1',
    'level.broken-20261128T200513Z',
  ])
})

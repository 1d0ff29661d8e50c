import assert from 'node:assert/strict'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { makeDirectories } from '../../../src/base/make-directories.ts'
import { tempDir } from '../../support/temp-dir.ts'

describe('directories', () => {
  it('are made with what is missing above them, and may be there', async (t) => {
    const path = join(await tempDir(t), 'a/b/c')
    for (let time = 0; time < 2; time++) await makeDirectories(path, 0o700)
    const { mode } = await stat(path)
    assert.equal(mode & 0o777, 0o700)
  })

  it('that cannot be made fail, also where the file system says that one which is there is missing', async () => {
    await assert.rejects(makeDirectories('/proc/x'), { code: 'ENOENT' })
    await assert.rejects(makeDirectories('/proc/x/y'), { code: 'ENOENT' })
  })

  it('are no files', async (t) => {
    const path = join(await tempDir(t), 'file')
    await writeFile(path, '')
    await assert.rejects(makeDirectories(path), { code: 'EEXIST' })
    await assert.rejects(makeDirectories(join(path, 'below')), { code: 'ENOTDIR' })
  })
})

import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadIdentity } from '../../../src/swarm/identity.ts'

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-identity-'))
})
after(async () => {
  await rm(directory, { recursive: true, force: true })
})

test('an identity is made once, for its owner only, and kept', async () => {
  const path = join(directory, 'new', 'identity')
  const first = await loadIdentity(path)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  const second = await loadIdentity(path)
  assert.ok(first.equals(second))
  assert.deepEqual(await readdir(join(directory, 'new')), ['identity'], 'no temporary file is left')
})

test('of several processes that start at once all get the same identity', async () => {
  const path = join(directory, 'raced')
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(path)))
  for (const key of keys) assert.ok(keys[0]?.equals(key))
  assert.ok((await readdir(directory)).filter((name) => name.startsWith('raced')).length === 1)
})

test('a file that is something else is refused by name and left alone', async () => {
  const path = join(directory, 'other')
  await writeFile(path, 'precious')
  await assert.rejects(loadIdentity(path), { code: 'CONFIG_INVALID', message: /other/ })
  await assert.rejects(loadIdentity(join(path, 'identity')), { code: 'CONFIG_INVALID' })
})

import assert from 'node:assert/strict'
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { loadIdentity } from '../../../src/swarm/identity.ts'
import { RecordedLogger } from '../../integration/swarm-support.ts'
import { NO_MOUNTS, SmallDisk } from '../../support/small-disk.ts'

const deps = { clock: systemClock, logger: silentLogger }
let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-identity-'))
})
after(async () => {
  await rm(directory, { recursive: true, force: true })
})

test('an identity is made once, for its owner only, and kept', async () => {
  const path = join(directory, 'new', 'identity')
  const first = await loadIdentity(path, deps)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  const second = await loadIdentity(path, deps)
  assert.ok(first.equals(second))
  assert.deepEqual(await readdir(join(directory, 'new')), ['identity', 'identity-host'], 'no temporary file is left')
})

test('of several processes that start at once all get the same identity', async () => {
  const path = join(directory, 'raced')
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(path, deps)))
  for (const key of keys) assert.ok(keys[0]?.equals(key))
  assert.ok((await readdir(directory)).filter((name) => name.startsWith('raced')).length === 2)
})

test('a damaged file is set aside, and the host has a new identity that it keeps', async () => {
  for (const [name, content] of [
    ['empty', ''],
    ['zeros', '\0'.repeat(62)],
    ['cut', 'shoal-identity-v1:AAAA'],
    ['other', 'precious'],
  ] as const) {
    const path = join(directory, name)
    await writeFile(path, content)
    const log = new RecordedLogger()
    const made = await loadIdentity(path, { ...deps, logger: log })
    assert.ok(made.equals(await loadIdentity(path, deps)), name)
    const [aside] = (await readdir(directory)).filter((file) => file.startsWith(`${name}.broken-`))
    assert.equal(await readFile(join(directory, aside!), 'utf8'), content)
    assert.equal(log.warnings.length, 1)
  }
})

test('a path that cannot be one is refused by name', async () => {
  const path = join(directory, 'file')
  await writeFile(path, 'precious')
  await assert.rejects(loadIdentity(join(path, 'identity'), deps), { code: 'CONFIG_INVALID', message: /identity/ })
})

test('on a disk that takes no file the host has an identity all the same', { skip: NO_MOUNTS }, async (t) => {
  const disk = await SmallDisk.inMemory(t, 'size=64k')
  disk.setReadOnly(true)
  const log = new RecordedLogger()
  const path = join(disk.path, 'identity')
  assert.equal((await loadIdentity(path, { ...deps, logger: log })).type, 'Ed25519')
  assert.match(log.warnings.join('\n'), /cannot be kept/)
  disk.setReadOnly(false)
  disk.fill()
  assert.equal((await loadIdentity(path, deps)).type, 'Ed25519')
  disk.unfill()
  const kept = await loadIdentity(path, deps)
  assert.ok(kept.equals(await loadIdentity(path, deps)))
})

test('a copy of a host on another machine, or elsewhere on the same, has a new identity and says so once', async () => {
  const origin = join(directory, 'golden')
  const facts = (machine: string | undefined, place: string) => async () => ({ machine, place })
  const first = await loadIdentity(origin, { ...deps, facts: facts('m1', 'p1') })
  for (const [name, machine, place] of [
    ['other-machine', 'm2', 'p1'],
    ['other-place', 'm1', 'p2'],
  ] as const) {
    const copy = join(directory, name)
    await copyFile(origin, copy)
    await copyFile(`${origin}-host`, `${copy}-host`)
    const log = new RecordedLogger()
    const here = { ...deps, logger: log, facts: facts(machine, place) }
    const made = await loadIdentity(copy, here)
    assert.ok(!made.equals(first), name)
    assert.ok(made.equals(await loadIdentity(copy, here)), 'it is kept')
    assert.equal(log.warnings.length, 1)
  }
})

test('a host whose machine says nothing of itself, or whose identity is from before, keeps it', async () => {
  const path = join(directory, 'container')
  const silent = async (): Promise<object> => ({})
  const first = await loadIdentity(path, { ...deps, facts: async () => ({ machine: 'm1' }) })
  assert.ok(first.equals(await loadIdentity(path, { ...deps, facts: silent })))
  await rm(`${path}-host`)
  assert.ok(first.equals(await loadIdentity(path, { ...deps, facts: async () => ({ machine: 'm2' }) })))
  const log = new RecordedLogger()
  const moved = await loadIdentity(path, { ...deps, logger: log, facts: async () => ({ machine: 'm3' }) })
  assert.ok(!first.equals(moved), 'from then on it is watched')
})

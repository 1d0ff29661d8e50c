import assert from 'node:assert/strict'
import { chmod, cp, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { loadHomesSecret } from '../../../src/swarm/homes-secret.ts'
import { loadIdentity } from '../../../src/swarm/identity.ts'
import { RecordedLogger } from '../../integration/swarm-support.ts'

const deps = { clock: systemClock, logger: silentLogger }
const SECRET = /^[A-Za-z0-9_-]{22}$/

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-homes-'))
})
after(async () => {
  await rm(directory, { recursive: true, force: true })
})

test('the secret is made once, for its owner only, and survives a restart', async () => {
  const path = join(directory, 'new', 'identity')
  const first = await loadHomesSecret(path, true, deps)
  assert.match(first ?? '', SECRET)
  assert.equal((await stat(`${path}.homes`)).mode & 0o777, 0o600)
  assert.equal(await loadHomesSecret(path, false, deps), first)
  assert.deepEqual(await readdir(join(directory, 'new')), ['identity.homes'], 'no temporary file is left')
})

test('of several processes that start at once all get the same secret', async () => {
  const path = join(directory, 'raced')
  const secrets = await Promise.all(Array.from({ length: 8 }, () => loadHomesSecret(path, true, deps)))
  assert.equal(new Set(secrets).size, 1)
  assert.match(secrets[0] ?? '', SECRET)
})

test('a host of before there were such secrets has none, and ranks as it did', async () => {
  const path = join(directory, 'old')
  assert.equal(await loadHomesSecret(path, false, deps), undefined)
  assert.deepEqual(
    (await readdir(directory)).filter((name) => name.startsWith('old')),
    [],
  )
})

/** How a file comes to be good for nothing. */
const SPOILT: readonly (readonly [name: string, spoil: (path: string) => Promise<void>])[] = [
  ['readable by the group', (path) => chmod(path, 0o640)],
  ['readable by everybody', (path) => chmod(path, 0o604)],
  ['empty', (path) => writeFile(path, '')],
  ['cut', (path) => writeFile(path, 'AAAA\n')],
  ['full of zeros', (path) => writeFile(path, '\0'.repeat(23))],
  ['huge', (path) => writeFile(path, 'A'.repeat(1_000_000))],
  ['a link to a secret of somebody else', (path) => replaceByLink(path)],
]

async function replaceByLink(path: string): Promise<void> {
  await writeFile(`${path}.other`, `${'A'.repeat(22)}\n`, { mode: 0o600 })
  await rm(path)
  await symlink(`${path}.other`, path)
}

for (const [name, spoil] of SPOILT) {
  test(`a secret that is ${name} is set aside, with a line, and a new one made`, async () => {
    const path = join(directory, name.replaceAll(' ', '-'), 'identity')
    const first = await loadHomesSecret(path, true, deps)
    await spoil(`${path}.homes`)
    const log = new RecordedLogger()
    const second = await loadHomesSecret(path, false, { ...deps, logger: log })
    assert.match(second ?? '', SECRET)
    assert.notEqual(second, first)
    assert.notEqual(second, 'A'.repeat(22))
    assert.equal((await stat(`${path}.homes`)).mode & 0o777, 0o600)
    assert.equal(log.warnings.length, 1)
    assert.ok(!log.warnings.some((line) => line.includes(first!)), 'the log tells the secret')
    assert.equal(await loadHomesSecret(path, false, deps), second, 'and it stays')
  })
}

test('a copy of a host has another secret, as it has another identity', async () => {
  const facts = (machine: string) => async () => ({ machine })
  const from = join(directory, 'golden')
  const path = (host: string): string => join(host, 'identity')
  await loadIdentity(path(from), { ...deps, facts: facts('one') })
  const first = await loadHomesSecret(path(from), true, deps)
  const to = join(directory, 'clone')
  await cp(from, to, { recursive: true })
  await loadIdentity(path(to), { ...deps, facts: facts('two') })
  const second = await loadHomesSecret(path(to), false, deps)
  assert.match(second ?? '', SECRET)
  assert.notEqual(second, first)
  assert.equal((await readFile(`${path(from)}.homes`, 'utf8')).trim(), first)
})

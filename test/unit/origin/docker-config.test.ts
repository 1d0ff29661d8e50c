import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { readDockerCredentials } from '../../../src/origin/index.ts'
import { never, tempDir } from './fixtures.ts'

const auth = Buffer.from('robot:s3:cret').toString('base64')

async function configFile(t: TestContext, content: unknown): Promise<string> {
  const file = join(await tempDir(t), 'config.json')
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

async function rejectsWith(promise: Promise<unknown>, ...words: string[]): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isShoalError(error, 'CONFIG_INVALID'))
    for (const word of words) assert.ok(error.message.includes(word), `"${error.message}" should name ${word}`)
    assert.ok(!error.message.includes('s3:cret'))
    return true
  })
}

/** The login for a repository of `host`. */
function read(file: string, host: string, repository = 'team/app') {
  return readDockerCredentials(file, host, repository, never)
}

/** Puts a program `docker-credential-<name>` into this process's PATH that keeps `answer` for `server`. */
async function installHelper(t: TestContext, name: string, server: string, answer: object): Promise<void> {
  const dir = await tempDir(t)
  const script = `#!/bin/sh
[ "$1" = get ] && [ "$(cat)" = "${server}" ] || { echo "credentials not found in native keychain"; exit 1; }
echo '${JSON.stringify(answer)}'
`
  await writeFile(join(dir, `docker-credential-${name}`), script, { mode: 0o755 })
  const before = process.env.PATH
  process.env.PATH = `${dir}:${before}`
  t.after(() => {
    process.env.PATH = before
  })
}

test('auth, or username and password, are read; a password may hold colons', async (t) => {
  const file = await configFile(t, {
    auths: { 'registry.corp:5000': { auth }, 'https://other.corp/v1/': { username: 'u', password: 'p' } },
  })
  const robot = { kind: 'basic', username: 'robot', password: 's3:cret' }
  assert.deepEqual(await read(file, 'registry.corp:5000'), robot)
  assert.deepEqual(await read(file, 'other.corp'), { kind: 'basic', username: 'u', password: 'p' })
})

test('of several entries for one host, the longest path above the repository counts', async (t) => {
  const login = (username: string) => ({ username, password: 'p' })
  const file = await configFile(t, {
    auths: { 'r.corp': login('all'), 'r.corp/team': login('team'), 'r.corp/team/app': login('app') },
  })
  const nameFor = async (repository: string) => {
    const found = await read(file, 'r.corp', repository)
    return found.kind === 'basic' ? found.username : 'a token'
  }
  assert.equal(await nameFor('team/app'), 'app')
  assert.equal(await nameFor('team/apple'), 'team')
  assert.equal(await nameFor('team/app/sub'), 'app')
  assert.equal(await nameFor('teams/app'), 'all')
})

test('Docker Hub is found under the name its client writes', async (t) => {
  const file = await configFile(t, { auths: { 'https://index.docker.io/v1/': { auth } } })
  const login = { kind: 'basic', username: 'robot', password: 's3:cret' }
  assert.deepEqual(await read(file, 'registry-1.docker.io', 'library/nginx'), login)
})

test('a helper program is asked, per host before the one for all', async (t) => {
  await installHelper(t, 'test-one', 'registry.corp', { Username: 'u', Secret: 'one' })
  await installHelper(t, 'test-all', 'https://index.docker.io/v1/', { Username: '<token>', Secret: 'all' })
  const file = await configFile(t, { credHelpers: { 'registry.corp': 'test-one' }, credsStore: 'test-all' })
  assert.deepEqual(await read(file, 'registry.corp'), { kind: 'basic', username: 'u', password: 'one' })
  assert.deepEqual(await read(file, 'registry-1.docker.io'), { kind: 'identity', token: 'all' })
  await rejectsWith(read(file, 'other.corp'), file, '"test-all"', 'log in')
})

test('a helper that is not there, or is no name of a program, is named', async (t) => {
  const absent = await configFile(t, { credsStore: 'test-absent' })
  await rejectsWith(read(absent, 'registry.corp'), 'docker-credential-test-absent', 'PATH')
  const path = await configFile(t, { credsStore: '../../bin/sh' })
  await rejectsWith(read(path, 'registry.corp'), '../../bin/sh', 'no name of a program')
})

test('an identity token is read as one', async (t) => {
  const file = await configFile(t, { auths: { 'registry.corp': { auth, identitytoken: 'x' } } })
  assert.deepEqual(await read(file, 'registry.corp'), { kind: 'identity', token: 'x' })
})

test('a file without this host, that is no JSON, or that is missing says so and leaks nothing', async (t) => {
  const other = await configFile(t, { auths: { 'elsewhere.corp': { auth } } })
  await rejectsWith(read(other, 'registry.corp'), other, 'registry.corp')
  const broken = await configFile(t, '{"auths": {"registry.corp": {"password": s3:cret')
  await rejectsWith(read(broken, 'registry.corp'), broken, 'not JSON')
  const missing = join(await tempDir(t), 'none.json')
  await rejectsWith(read(missing, 'registry.corp'), missing, 'ENOENT')
})

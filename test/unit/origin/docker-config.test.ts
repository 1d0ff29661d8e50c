import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { askCredentialHelper } from '../../../src/origin/credential-helper.ts'
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

const HOST = 'registry.corp:5000'
const login = (username: string) => ({ auth: Buffer.from(`${username}:p`).toString('base64') })

/** Whose login each repository of a host gets. */
const keys: readonly [
  what: string,
  host: string,
  auths: Record<string, object | null>,
  expected: Record<string, string>,
][] = [
  ['a host and port', HOST, { [HOST]: login('a') }, { 'team/app': 'a' }],
  ['a scheme', HOST, { [`https://${HOST}`]: login('a') }, { 'team/app': 'a' }],
  ['a scheme and the historic path', HOST, { [`http://${HOST}/v1/`]: login('a') }, { 'team/app': 'a' }],
  ['the path of the API', HOST, { [`https://${HOST}/v2/`]: login('a') }, { 'team/app': 'a' }],
  ['the path of the API, without a scheme', HOST, { [`${HOST}/v2`]: login('a') }, { 'team/app': 'a' }],
  ['capitals', HOST, { 'Registry.Corp:5000': login('a') }, { 'team/app': 'a' }],
  ['a slash at its end', HOST, { [`${HOST}/`]: login('a') }, { 'team/app': 'a' }],
  ['the default port', 'registry.corp', { 'registry.corp:443': login('a') }, { 'team/app': 'a' }],
  ['the default port and a path', 'registry.corp', { 'registry.corp:443/team': login('a') }, { 'team/app': 'a' }],
  ['an IPv6 address', '[::1]:5000', { '[::1]:5000': login('a') }, { 'team/app': 'a' }],
  [
    'paths',
    HOST,
    { [HOST]: login('all'), [`${HOST}/team`]: login('team'), [`${HOST}/team/app`]: login('app') },
    { other: 'all', 'team/x': 'team', 'team/app': 'app', 'team/app/sub': 'app', 'team/apple': 'team', teams: 'all' },
  ],
  [
    'a longer path without a login',
    HOST,
    { [HOST]: login('all'), [`${HOST}/team`]: {}, [`${HOST}/team/app`]: null },
    { 'team/app': 'all' },
  ],
  [
    'null where nothing is',
    HOST,
    { [HOST]: { ...login('a'), identitytoken: null, username: null } },
    { 'team/app': 'a' },
  ],
  ...['docker.io', 'index.docker.io', 'https://index.docker.io/v1/', 'registry-1.docker.io', 'https://docker.io'].map(
    (key): [string, string, Record<string, object>, Record<string, string>] => [
      `Docker Hub's ${key}`,
      'registry-1.docker.io',
      { [key]: login('hub') },
      { 'library/nginx': 'hub' },
    ],
  ),
  [
    "Docker Hub's name with a path",
    'registry-1.docker.io',
    { 'https://index.docker.io/v1/': login('hub'), 'docker.io/team': login('team') },
    { 'library/nginx': 'hub', 'team/app': 'team' },
  ],
]
for (const [what, host, auths, expected] of keys) {
  test(`a key with ${what} is found`, async (t) => {
    const file = await configFile(t, { auths, credHelpers: null, credsStore: null, HttpHeaders: {} })
    for (const [repository, username] of Object.entries(expected)) {
      assert.deepEqual(await read(file, host, repository), { kind: 'basic', username, password: 'p' }, repository)
    }
  })
}

for (const host of ['registry.corp', 'registry.corp:5001', 'sub.registry.corp:5000', 'registry.corp.evil:5000']) {
  test(`a key is not for ${host}, another host or port`, async (t) => {
    const file = await configFile(t, { auths: { [HOST]: login('a'), [`https://${HOST}/v1/`]: login('b') } })
    await rejectsWith(read(file, host), host, 'log in')
  })
}

test("a host's own helper goes before what the file has, and the helper for all hosts after it", async (t) => {
  await installHelper(t, 'test-own', 'registry.corp', { Username: 'own', Secret: 'p' })
  await installHelper(t, 'test-rest', 'other.corp', { Username: 'rest', Secret: 'p' })
  const file = await configFile(t, {
    auths: { 'registry.corp': login('old'), 'other.corp': login('file'), 'third.corp': login('third') },
    credHelpers: { 'registry.corp': 'test-own', 'third.corp': 'test-absent' },
    credsStore: 'test-rest',
  })
  for (const [host, username] of [
    ['registry.corp', 'own'],
    ['other.corp', 'file'],
    // its helper is not there, and the file has a login
    ['third.corp', 'third'],
  ] as const) {
    assert.deepEqual(await read(file, host), { kind: 'basic', username, password: 'p' }, host)
  }
})

/** Programs that are no good helpers, and what is said of each. */
const bad: readonly [what: string, script: string, says: RegExp][] = [
  ['waits for a person', 'sleep 60', /took too long/],
  ['waits for what it has started', 'sleep 60 & wait', /took too long/],
  ['writes without end', 'while :; do echo 0123456789012345678901234567890123456789; done', /failed/],
  ['writes no JSON', 'echo hello', /did not answer/],
  ['writes JSON without a secret', 'echo \'{"Username":"u"}\'', /did not answer/],
  ['fails with a secret on its lips', 'echo "s3:cret is wrong"; exit 1', /failed$/],
]
for (const [what, script, says] of bad) {
  test(`a helper that ${what} ends in time, and nothing it wrote is told`, async (t) => {
    const dir = await tempDir(t)
    await writeFile(join(dir, 'docker-credential-test-bad'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    const before = process.env.PATH
    process.env.PATH = `${dir}:${before}`
    t.after(() => {
      process.env.PATH = before
    })
    await assert.rejects(askCredentialHelper('test-bad', 'registry.corp', never, 1_000), (error) => {
      return isShoalError(error, 'CONFIG_INVALID') && says.test(error.message) && !error.message.includes('s3:cret')
    })
  })
}

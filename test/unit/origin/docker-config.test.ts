import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { isShoalError } from '../../../src/base/errors.ts'
import { readDockerCredentials } from '../../../src/origin/index.ts'
import { tempDir } from './fixtures.ts'

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

test('auth, or username and password, are read; a password may hold colons', async (t) => {
  const file = await configFile(t, {
    auths: { 'registry.corp:5000': { auth }, 'https://other.corp/v1/': { username: 'u', password: 'p' } },
  })
  assert.deepEqual(await readDockerCredentials(file, 'registry.corp:5000'), { username: 'robot', password: 's3:cret' })
  assert.deepEqual(await readDockerCredentials(file, 'other.corp'), { username: 'u', password: 'p' })
})

test('Docker Hub is found under the name its client writes', async (t) => {
  const file = await configFile(t, { auths: { 'https://index.docker.io/v1/': { auth } } })
  assert.equal((await readDockerCredentials(file, 'registry-1.docker.io')).username, 'robot')
})

test('a helper program is refused, naming the file, the helper and the remedy', async (t) => {
  const file = await configFile(t, { auths: { 'registry.corp': {} }, credsStore: 'desktop' })
  await rejectsWith(readDockerCredentials(file, 'registry.corp'), file, '"desktop"', 'username and password')
  const perHost = await configFile(t, { credHelpers: { 'registry.corp': 'ecr-login' } })
  await rejectsWith(readDockerCredentials(perHost, 'registry.corp'), perHost, '"ecr-login"')
})

test('an identity token is refused, naming the remedy', async (t) => {
  const file = await configFile(t, { auths: { 'registry.corp': { auth, identitytoken: 'x' } } })
  await rejectsWith(readDockerCredentials(file, 'registry.corp'), file, 'identity token', 'access token')
})

test('a file without this host, that is no JSON, or that is missing says so and leaks nothing', async (t) => {
  const other = await configFile(t, { auths: { 'elsewhere.corp': { auth } } })
  await rejectsWith(readDockerCredentials(other, 'registry.corp'), other, 'registry.corp')
  const broken = await configFile(t, '{"auths": {"registry.corp": {"password": s3:cret')
  await rejectsWith(readDockerCredentials(broken, 'registry.corp'), broken, 'not JSON')
  const missing = join(await tempDir(t), 'none.json')
  await rejectsWith(readDockerCredentials(missing, 'registry.corp'), missing, 'ENOENT')
})

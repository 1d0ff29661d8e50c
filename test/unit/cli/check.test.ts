import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../../support/run-command.ts'
import { tempDir } from '../../support/temp-dir.ts'

test('a configuration that would start is said to be good, and nothing is made', async (t) => {
  const directory = await tempDir(t)
  const file = join(directory, 'agent.yaml')
  await writeFile(file, `role: cache\nstore: { path: ${join(directory, 'store')} }\ntier: { region: eu-1 }\n`)
  const { code, stdout } = await runCommand(['check', '--config', file])
  assert.equal(code, 0)
  assert.match(stdout, /^ok: cache in region eu-1, upstreams /)
  assert.deepEqual(await readdir(directory), ['agent.yaml'])
})

test('a configuration that would not start is refused with all that is wrong, by file and line', async (t) => {
  const file = join(await tempDir(t), 'agent.yaml')
  await writeFile(file, 'role: agnet\nmirror: { lisen: 1 }\n')
  const { code, stdout, stderr } = await runCommand(['check', '--config', file, '--json'])
  assert.deepEqual([code, stdout], [2, ''])
  assert.match(stderr, /agent\.yaml:1: role/)
  assert.match(stderr, /agent\.yaml:2: mirror\.lisen/)
})

test('what holds is printed for scripts, without secrets', async () => {
  const upstream = {
    name: 'registry.corp',
    origins: [{ kind: 'registry', url: 'https://registry.corp', credentials: { username: 'u', password: 'hunter2' } }],
  }
  const { code, stdout } = await runCommand(['check', '--json', '--set', `upstreams=${JSON.stringify([upstream])}`])
  assert.equal(code, 0)
  assert.equal(JSON.parse(stdout).config.search[0], 'registry.corp')
  assert.ok(!stdout.includes('hunter2'))
})

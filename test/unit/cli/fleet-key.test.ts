import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { agentKeyOf, formatFleetKey, parseFleetKey } from '../../../src/swarm/index.ts'
import { runCommand } from '../../support/run-command.ts'
import { TempDir } from '../../support/temp-dir.ts'

describe('shoal fleet-key', () => {
  it('prints a key for caches, another one each time', async () => {
    const first = await runCommand(['fleet-key'])
    assert.equal(first.code, 0, first.stderr)
    assert.equal(parseFleetKey(first.stdout).kind, 'cache')
    assert.notEqual((await runCommand(['fleet-key'])).stdout, first.stdout)
  })

  it('creates files for their owner only, and never overwrites one', async () => {
    await using dir = await TempDir.make()
    const out = join(dir.path, 'cache.key')
    const created = await runCommand(['fleet-key', '--out', out])
    assert.equal(created.code, 0, created.stderr)
    const text = await readFile(out, 'utf8')
    assert.ok(!created.stdout.includes(text.trim()), 'the key is shown')
    assert.equal((await stat(out)).mode & 0o777, 0o600)
    const again = await runCommand(['fleet-key', '--out', out])
    assert.equal(again.code, 2)
    assert.match(again.stderr, /^shoal: --out .*cache\.key: exists, and keys are never overwritten.*\n$/)
    assert.equal(await readFile(out, 'utf8'), text)
  })

  it('derives the agent key from a cache key', async () => {
    await using dir = await TempDir.make()
    const [cache, agent] = [join(dir.path, 'cache.key'), join(dir.path, 'agent.key')]
    await runCommand(['fleet-key', '--out', cache])
    const derived = await runCommand(['fleet-key', '--agent-key-from', cache, '--out', agent, '--json'])
    assert.deepEqual(JSON.parse(derived.stdout), { kind: 'agent', file: agent })
    const expected = agentKeyOf(parseFleetKey(await readFile(cache, 'utf8')))
    assert.equal((await readFile(agent, 'utf8')).trim(), formatFleetKey(expected))
  })

  it('says which file holds no key, without showing what it holds', async () => {
    await using dir = await TempDir.make()
    const file = join(dir.path, 'other')
    await writeFile(file, 'hunter2')
    for (const from of [file, join(dir.path, 'missing')]) {
      const { code, stderr } = await runCommand(['fleet-key', '--agent-key-from', from])
      assert.equal(code, 2)
      assert.match(stderr, /^shoal: --agent-key-from .*\n$/)
      assert.doesNotMatch(stderr, /hunter2/)
    }
  })
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  canonicalBytes,
  loadOrderSigner,
  parseFleetKeys,
  readAuthorities,
  readRevocationList,
} from '../../../src/trust/index.ts'
import { runCommand } from '../../support/run-command.ts'
import { TempDir } from '../../support/temp-dir.ts'

interface Made {
  readonly dir: string
  readonly authority: string
  run(...args: string[]): Promise<Record<string, unknown>>
}

/** A fleet's files in a directory of the test's own. */
async function fleet(directory: TempDir): Promise<Made> {
  const dir = join(directory.path, 'corp')
  const run = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await runCommand(['fleet', ...args, '--json'])
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as Record<string, unknown>
  }
  await run('init', dir)
  return { dir, authority: join(dir, 'authority.pem'), run }
}

describe('shoal fleet', () => {
  it('makes an authority whose secrets only the owner reads, and never writes over them', async () => {
    await using directory = await TempDir.make()
    const { dir, authority, run } = await fleet(directory)
    for (const [file, mode] of [
      ['authority.pem', 0o600],
      ['member.key', 0o600],
      ['authority.crt', 0o644],
    ] as const) {
      assert.equal((await stat(join(dir, file))).mode & 0o777, mode, file)
    }
    const before = await readFile(authority, 'utf8')
    const again = await runCommand(['fleet', 'init', dir])
    assert.deepEqual([again.code, /exists, and keys are never overwritten/.test(again.stderr)], [2, true])
    assert.equal(await readFile(authority, 'utf8'), before)
    assert.ok(!(await readFile(join(dir, 'authority.crt'), 'utf8')).includes('PRIVATE'))
    const shown = await run('show', join(dir, 'authority.crt'))
    assert.deepEqual([shown.kind, shown.fleet, shown.holdsKey], ['authority', 'corp', false])
  })

  it('certifies a cache for a region and an operator by name, as openssl sees it, too', async () => {
    await using directory = await TempDir.make()
    const { dir, authority, run } = await fleet(directory)
    const [cache, alice] = [join(dir, 'c1.pem'), join(dir, 'alice.pem')]
    await run('certify', 'cache', '--authority', authority, '--region', 'eu-1', '--days', '30', '--out', cache)
    await run('certify', 'operator', '--authority', authority, '--name', 'alice', '--out', alice)
    assert.equal((await stat(cache)).mode & 0o777, 0o600)
    const shown = await run('show', cache)
    assert.deepEqual([shown.kind, shown.region, shown.daysLeft, shown.valid], ['cache', 'eu-1', 29, true])
    const verify = ['verify', '-CAfile', join(dir, 'authority.crt'), cache, alice]
    assert.match(execFileSync('openssl', verify, { encoding: 'utf8' }), /c1\.pem: OK[\s\S]*alice\.pem: OK/)
    const signer = await loadOrderSigner({ certificate: alice })
    assert.equal(signer.name, 'alice')
    assert.ok(signer.order(canonicalBytes('shoal test v1')).length > 64)
    await assert.rejects(
      loadOrderSigner({ certificate: cache }),
      /is no operator credential; shoal fleet certify operator/,
    )
  })

  it('revokes by file and by number, into one list that grows and that openssl reads', async () => {
    await using directory = await TempDir.make()
    const { dir, authority, run } = await fleet(directory)
    const [cache, list] = [join(dir, 'c1.pem'), join(dir, 'revocations.crl')]
    const { serial } = await run('certify', 'cache', '--authority', authority, '--region', 'eu-1', '--out', cache)
    await run('revoke', cache, '--authority', authority, '--list', list)
    const first = await readRevocationList(
      await readFile(list, 'utf8'),
      readAuthorities(await readFile(authority, 'utf8')),
    )
    await run('revoke', '--serial', '00aabb', '--authority', authority, '--list', list)
    const second = await readRevocationList(
      await readFile(list, 'utf8'),
      readAuthorities(await readFile(authority, 'utf8')),
    )
    assert.deepEqual([...first.revoked.keys()], [serial])
    assert.deepEqual(new Set(second.revoked.keys()), new Set([serial, 'AABB']))
    assert.ok(second.issuedAtMs > first.issuedAtMs, 'hosts take the newer one')
    const shown = execFileSync('openssl', ['crl', '-in', list, '-noout', '-text'], { encoding: 'utf8' })
    assert.match(shown, new RegExp(`Serial Number: 0?${String(serial)}`))
    const strange = join(directory.path, 'other')
    await run('init', strange)
    const foreign = await runCommand([
      'fleet',
      'revoke',
      cache,
      '--authority',
      join(strange, 'authority.pem'),
      '--list',
      list,
    ])
    assert.deepEqual([foreign.code, /is by another authority/.test(foreign.stderr)], [2, true])
  })

  it('rotates a secret in three steps, each a file of its own', async () => {
    await using directory = await TempDir.make()
    const { dir, run } = await fleet(directory)
    const files = ['member.key', 'step-1', 'step-2', 'step-3'].map((name) => join(dir, name))
    for (const [at, step] of ['add', 'promote', 'drop'].entries()) {
      await run('rotate', 'secret', files[at]!, '--step', step, '--out', files[at + 1]!)
    }
    const [old, added, promoted, dropped] = await Promise.all(
      files.map(async (file) => parseFleetKeys(await readFile(file, 'utf8'))),
    )
    assert.deepEqual(added![0], old![0])
    assert.deepEqual(promoted, added!.toReversed())
    assert.deepEqual(dropped, [added![1]])
    const early = await runCommand(['fleet', 'rotate', 'secret', files[0]!, '--step', 'drop', '--out', join(dir, 'x')])
    assert.deepEqual([early.code, /holds 1 keys, and "drop" needs two/.test(early.stderr)], [2, true])
  })

  it('makes agent keys of a file with two cache keys', async () => {
    await using directory = await TempDir.make()
    const file = (name: string): string => join(directory.path, name)
    await runCommand(['fleet-key', '--out', file('cache.key')])
    await runCommand(['fleet', 'rotate', 'secret', file('cache.key'), '--step', 'add', '--out', file('both.key')])
    await runCommand(['fleet-key', '--agent-key-from', file('both.key'), '--out', file('agents.key')])
    const keys = parseFleetKeys(await readFile(file('agents.key'), 'utf8'))
    assert.deepEqual(
      keys.map(({ kind }) => kind),
      ['agent', 'agent'],
    )
  })

  it('says what is wrong with a file or an option, and what to do', async () => {
    await using directory = await TempDir.make()
    const { dir, authority } = await fleet(directory)
    await writeFile(join(dir, 'nothing'), 'nothing')
    const cases: readonly (readonly [string[], RegExp])[] = [
      [
        ['certify', 'cache', '--authority', join(dir, 'authority.crt'), '--region', 'a', '--out', 'x'],
        /holds no private key/,
      ],
      [['certify', 'cache', '--authority', authority, '--region', 'a b', '--out', 'x'], /"a b" is no name/],
      [
        ['certify', 'cache', '--authority', authority, '--region', 'a', '--days', '0', '--out', 'x'],
        /--days must be more than 0/,
      ],
      [['certify', 'operator', '--authority', authority, '--out', 'x'], /required option '--name/],
      [['show', join(dir, 'nothing')], /nothing: is no X\.509 certificate/],
      [['revoke', '--authority', authority], /name a file with a certificate, or --serial/],
    ]
    for (const [args, message] of cases) {
      const { code, stderr } = await runCommand(['fleet', ...args])
      assert.equal(code, 2, args.join(' '))
      assert.match(stderr, message)
    }
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { productVersion } from '../../../src/base/version.ts'
import { runCommand } from '../../support/run-command.ts'

const COMMANDS = ['agent', 'demo', 'pull', 'status', 'transfers', 'invalidate', 'fleet-key']

describe('the command line', () => {
  it('lists every command with a summary', async () => {
    const { code, stdout, stderr } = await runCommand(['--help'])
    assert.equal(code, 0)
    assert.equal(stderr, '')
    for (const name of COMMANDS) assert.match(stdout, new RegExp(`^ {2}${name}\\b.* {2,}\\w`, 'm'))
  })

  for (const name of COMMANDS) {
    it(`explains ${name}, by --help and by help`, async () => {
      const { code, stdout } = await runCommand([name, '--help'])
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`^Usage: shoal ${name}`))
      assert.match(stdout, /--/)
      assert.equal((await runCommand(['help', name])).stdout, stdout)
    })
  }

  for (const name of ['agent', 'status', 'transfers', 'invalidate', 'fleet-key']) {
    it(`shows examples of ${name}`, async () => {
      const { stdout } = await runCommand([name, '--help'])
      assert.match(stdout, new RegExp(`Examples:\\n(.*\\n)*? +(\\w+=\\S+ )?shoal ${name}`))
    })
  }

  it('tells its version', async () => {
    assert.equal((await runCommand(['--version'])).stdout.trim(), productVersion())
  })

  it('answers wrong usage with one line on stderr, help at hand, and exit code 2', async () => {
    for (const args of [
      ['nonsense'],
      ['status', '--nonsense'],
      ['invalidate'],
      ['status', 'too', 'many'],
      ['agent', '--set'],
    ]) {
      const { code, stdout, stderr } = await runCommand(args)
      assert.equal(code, 2, args.join(' '))
      assert.equal(stdout, '')
      assert.match(stderr, /^shoal: .*; see .*--help\n$/, args.join(' '))
    }
  })

  it('shows how to use it when asked for nothing', async () => {
    const { code, stderr } = await runCommand([])
    assert.equal(code, 2)
    assert.match(stderr, /Usage: shoal/)
  })
})

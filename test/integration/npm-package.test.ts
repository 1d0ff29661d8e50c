import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { PAGE_FILES } from '../../src/admin/page-routes.ts'
import { productVersion } from '../../src/base/version.ts'
import { execute } from '../support/execute.ts'
import { tempDir } from '../support/temp-dir.ts'

const ROOT = join(import.meta.dirname, '../..')

it('the package that npm makes holds plain JavaScript and runs where Node strips no types', async (t) => {
  const directory = await tempDir(t)
  const { stdout } = await execute('npm', ['pack', '--silent', '--pack-destination', directory])
  const archive = stdout.trim().split('\n').at(-1) ?? ''
  await execute('tar', ['-C', directory, '-xf', join(directory, archive)])
  const { stdout: listing } = await execute('tar', ['-tf', join(directory, archive)])
  assert.deepEqual(listing.match(/^package\/(test|bench|src)\/.*|.*\.ts$/gm), null)
  for (const file of Object.keys(PAGE_FILES)) {
    assert.ok(listing.includes(`package/dist/admin/page/${file}\n`), `${file} of the page is missing`)
  }
  await symlink(join(ROOT, 'node_modules'), join(directory, 'package/node_modules'))
  const { stdout: version } = await execute(process.execPath, [
    '--no-strip-types',
    join(directory, 'package/dist/launch.js'),
    '--version',
  ])
  assert.equal(version, `${productVersion()}\n`)
})

it('the Node that the launcher asks for is the one that the package declares', () => {
  const launcher = readFileSync(join(ROOT, 'src/launch.ts'), 'utf8')
  const declared = /"node": ">=(\d+)"/.exec(readFileSync(join(ROOT, 'package.json'), 'utf8'))?.[1]
  assert.ok(declared !== undefined && launcher.includes(`OLDEST_MAJOR = ${declared}\n`))
})

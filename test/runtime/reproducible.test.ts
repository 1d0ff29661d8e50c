import assert from 'node:assert/strict'
import { copyFile, mkdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { buildPackage, SHARED, sharedPackage, sumsOf } from '../support/built-package.ts'
import { execute } from '../support/execute.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const ROOT = join(import.meta.dirname, '../..')

const billSchema = z.object({
  bomFormat: z.literal('CycloneDX'),
  serialNumber: z.string().regex(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
  metadata: z.object({ timestamp: z.string(), component: z.object({ name: z.string(), version: z.string() }) }),
  components: z.array(z.object({ name: z.string(), version: z.string(), purl: z.string() })),
})

/** Another directory with what the repository has, as a second person has it. */
async function copyCheckout(to: string): Promise<void> {
  const { stdout } = await execute(
    'git',
    ['-C', ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {},
  )
  for (const file of stdout.split('\0').filter((name) => name !== '')) {
    await mkdir(dirname(join(to, file)), { recursive: true })
    await copyFile(join(ROOT, file), join(to, file))
  }
  await symlink(join(ROOT, 'node_modules'), join(to, 'node_modules'))
}

runtimeTest(
  'two builds of a commit, by others elsewhere, give the same packages, bill and sums',
  { programs: ['dpkg-deb', 'git', 'flock'], packages: 'dpkg git util-linux', timeoutMs: 600_000 },
  async () => {
    await using temp = await TempDir.make()
    const other = join(temp.path, 'elsewhere', 'checkout')
    await mkdir(other, { recursive: true })
    await copyCheckout(other)
    const one = await sharedPackage(temp.path)
    const first = await sumsOf(one)
    const two = join(temp.path, 'two')
    await buildPackage(other, two, { ...SHARED, umask: '077', zone: 'Asia/Tokyo' })
    const second = await sumsOf(two)
    assert.equal(second, first)
    const files = first
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\S+ +/, ''))
    const { release, epoch } = SHARED
    const name = `shoal-${release}-linux-${process.arch}`
    assert.deepEqual(
      files.filter((file) => !file.endsWith('.deb')),
      [`${name}.tar.gz`, `${name}.cdx.json`],
    )
    assert.equal(files.length, 3, first)

    const bill = await readFile(join(one, `${name}.cdx.json`), 'utf8')
    const { metadata, components } = billSchema.parse(JSON.parse(bill))
    assert.deepEqual(metadata.component, { name: 'shoal', version: release })
    assert.equal(metadata.timestamp, new Date(Number(epoch) * 1000).toISOString())
    const names = components.map(({ name, version }) => `${name}@${version}`)
    assert.ok(names.includes(`node@${process.versions.node}`))
    const { dependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')))
    for (const [name, version] of Object.entries(dependencies)) assert.ok(names.includes(`${name}@${version}`), name)
    assert.doesNotMatch(bill, new RegExp(`${ROOT}|${temp.path}`))
  },
)

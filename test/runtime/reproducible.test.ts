import assert from 'node:assert/strict'
import { copyFile, mkdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { execute } from '../support/execute.ts'
import { runtimeTest } from '../support/runtime-test.ts'
import { TempDir } from '../support/temp-dir.ts'

const ROOT = join(import.meta.dirname, '../..')
/** A machine that does other work as well installs the modules slowly. */
const BUILD_MS = 280_000
const EPOCH = '1790000000'
const RELEASE = '9.8.7'

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

/** Builds in a checkout, with another umask and time zone. Returns the files by name. */
async function build(checkout: string, out: string, { umask, zone }: { umask: string; zone: string }) {
  const program = `umask ${umask}; exec "$0" config/package/main.ts --uncompressed --release ${RELEASE} --out "$1"`
  const env = { SOURCE_DATE_EPOCH: EPOCH, TZ: zone }
  await execute('sh', ['-c', program, process.execPath, out], { cwd: checkout, env, timeoutMs: BUILD_MS })
  const sums = await readFile(join(out, 'SHA256SUMS'), 'utf8')
  await execute('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: out })
  return sums
}

runtimeTest(
  'two builds of a commit, by others elsewhere, give the same packages, bill and sums',
  { programs: ['dpkg-deb', 'git', 'sha256sum'], packages: 'dpkg git coreutils', timeoutMs: 2 * BUILD_MS },
  async () => {
    await using temp = await TempDir.make()
    const other = join(temp.path, 'elsewhere', 'checkout')
    await mkdir(other, { recursive: true })
    await copyCheckout(other)
    const first = await build(ROOT, join(temp.path, 'one'), { umask: '022', zone: 'UTC' })
    const second = await build(other, join(temp.path, 'two'), { umask: '077', zone: 'Asia/Tokyo' })
    assert.equal(second, first)
    const files = first
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\S+ +/, ''))
    const name = `shoal-${RELEASE}-linux-${process.arch}`
    assert.deepEqual(
      files.filter((file) => !file.endsWith('.deb')),
      [`${name}.tar.gz`, `${name}.cdx.json`],
    )
    assert.equal(files.length, 3, first)

    const bill = await readFile(join(temp.path, 'one', `${name}.cdx.json`), 'utf8')
    const { metadata, components } = billSchema.parse(JSON.parse(bill))
    assert.deepEqual(metadata.component, { name: 'shoal', version: RELEASE })
    assert.equal(metadata.timestamp, new Date(Number(EPOCH) * 1000).toISOString())
    const names = components.map(({ name, version }) => `${name}@${version}`)
    assert.ok(names.includes(`node@${process.versions.node}`))
    const { dependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')))
    for (const [name, version] of Object.entries(dependencies)) assert.ok(names.includes(`${name}@${version}`), name)
    assert.doesNotMatch(bill, new RegExp(`${ROOT}|${temp.path}`))
  },
)

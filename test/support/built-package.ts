import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from './execute.ts'

const ROOT = join(import.meta.dirname, '../..')
/** A machine that does other work as well installs the modules slowly. */
const BUILD_MS = 480_000

export interface BuildSettings {
  readonly release: string
  readonly epoch: string
  /** What must make no difference to the result. */
  readonly umask: string
  readonly zone: string
}

/** Those of the package that test files share. */
export const SHARED: BuildSettings = { release: '0.0.1', epoch: '1790000000', umask: '022', zone: 'UTC' }

/** Whoever comes first builds, and the others wait for it; the sums are written last. */
const ONCE = `exec 9>"$1.lock"; flock 9; [ -e "$1/SHA256SUMS" ] && exit
umask "$2"; exec "$0" config/package/main.ts --uncompressed --release "$3" --out "$1"`

/** Builds the Debian package of a checkout, its bill and the sums of both into `out`, unless they are there. */
export async function buildPackage(checkout: string, out: string, settings: BuildSettings): Promise<void> {
  const { release, epoch, umask, zone } = settings
  const env = { SOURCE_DATE_EPOCH: epoch, TZ: zone }
  const options = { cwd: checkout, env, timeoutMs: BUILD_MS }
  await execute('sh', ['-ec', ONCE, process.execPath, out, umask, release], options)
}

/** The package of this checkout, built once for all files of a test run, or into `alone` where a file is run by itself. */
export async function sharedPackage(alone: string): Promise<string> {
  const out = join(process.env.TESTS_SHARE ?? alone, 'package')
  await buildPackage(ROOT, out, SHARED)
  return out
}

/** The sums of a build, which are right. */
export async function sumsOf(out: string): Promise<string> {
  await execute('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: out })
  return readFile(join(out, 'SHA256SUMS'), 'utf8')
}

import { execFileSync } from 'node:child_process'
import { mkdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

const ROOT = join(import.meta.dirname, '../..')

/** The sources of the release before this one, as test/fixtures/pack-release.ts leaves them: 0.1.0. */
export const PREVIOUS_RELEASE = join(ROOT, 'test/fixtures/previous-release.tar.br')

/**
 * Puts the release before this one into `directory`, with today's libraries; returns its program. Libraries that it alone
 * uses (cli-table3, p-retry) are devDependencies for this.
 */
export async function unpackPreviousRelease(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true })
  const tar = brotliDecompressSync(await readFile(PREVIOUS_RELEASE))
  execFileSync('tar', ['-x', '-C', directory], { input: tar })
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  return join(directory, 'src/main.ts')
}

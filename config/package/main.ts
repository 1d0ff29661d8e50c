/**
 * Builds what people install, out of this checkout: `npm run package`.
 *
 * Leaves in `build/` (or `--out`): a Debian package and a .tar.gz, each with the Node that Shoal runs on, a bill of what is in
 * them (CycloneDX), and the SHA-256 sums of all three. Wants `npm ci` done, Debian's dpkg-deb, and the packages' registry (or npm's cache) for a second, bare
 * install. The same commit gives the same bytes: times in the packages are the commit's, or SOURCE_DATE_EPOCH.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { productVersion } from '../../src/base/version.ts'
import { buildDeb } from './deb.ts'
import { ROOT, run } from './run.ts'
import { SBOM, stage } from './stage.ts'
import { sha256Line } from './sums.ts'
import { buildTarball } from './tarball.ts'

const options = new Command('npm run package --')
  .description('Builds the Debian package and the .tar.gz of this checkout.')
  .option('--out <directory>', 'where they go', 'build')
  .option('--release <version>', 'the version they carry', productVersion())
  .option('--uncompressed', 'hardly compressed, and quickly: to try them', false)
  .option('--tree <directory>', 'only what is in them, unpacked, to this directory')
  .parse()
  .opts<{ out: string; release: string; uncompressed: boolean; tree?: string }>()

if (options.tree === undefined) await buildPackages()
else await stageTree(resolve(options.tree), epochOf())

/** The time of everything in a package (reproducible-builds.org, SOURCE_DATE_EPOCH); default: the commit's. */
function epochOf(): string {
  return process.env.SOURCE_DATE_EPOCH ?? run('git', ['log', '-1', '--format=%ct']).trim()
}

async function stageTree(tree: string, epoch: string): Promise<void> {
  const { modules, trimmed, all } = await stage(tree, options.release, epoch)
  process.stderr.write(`modules: ${modules} MiB, trimmed to ${trimmed} MiB; with Node ${all} MiB\n`)
}

async function buildPackages(): Promise<void> {
  const out = resolve(ROOT, options.out)
  const epoch = epochOf()
  const work = mkdtempSync(join(tmpdir(), 'shoal-package-'))
  try {
    const tree = join(work, `shoal-${options.release}`)
    await stageTree(tree, epoch)
    mkdirSync(out, { recursive: true })
    const deb = buildDeb(tree, { work, out, version: options.release, epoch, uncompressed: options.uncompressed })
    const bill = join(out, `shoal-${options.release}-linux-${process.arch}.cdx.json`)
    copyFileSync(join(tree, SBOM), bill)
    const files = [buildTarball(tree, { out, epoch, quick: options.uncompressed }), deb, bill]
    writeFileSync(join(out, 'SHA256SUMS'), files.map(sha256Line).join(''))
    process.stdout.write(`${files.join('\n')}\n`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { compile } from './compile.ts'
import { completionScript, SHELLS } from './completions.ts'
import { manPage } from './man-page.ts'
import { ROOT, run } from './run.ts'
import { sbomText } from './sbom.ts'
import { trimModules } from './trim-modules.ts'

/** Sizes in MiB: the modules as npm installs them, as they are shipped, and the whole tree. */
export interface Sizes {
  readonly modules: number
  readonly trimmed: number
  readonly all: number
}

const LAUNCHER = `#!/bin/sh
# Runs Shoal with the Node that it came with.
self=$(readlink -f "$0")
home=\${self%/bin/shoal}
# compiled code halves the CPU time of a start; it is kept with whoever runs this, not in the installation
if [ -z "$NODE_COMPILE_CACHE" ] && [ -n "$HOME" ]; then
  export NODE_COMPILE_CACHE="\${XDG_CACHE_HOME:-$HOME/.cache}/shoal"
fi
exec "$home/bin/node" "$home/dist/main.js" "$@"
`

/** The bill of what is in a tree. */
export const SBOM = 'sbom.cdx.json'

/** Fills `tree` with all that a machine needs to run Shoal: program, modules, Node, and what is around it. */
export async function stage(tree: string, version: string, epoch: string): Promise<Sizes> {
  mkdirSync(join(tree, 'bin'), { recursive: true })
  compile(join(tree, 'dist'))
  writeFileSync(join(tree, 'package.json'), `${JSON.stringify(shippedManifest(version), null, 2)}\n`)
  const modules = installModules(tree)
  const trimmed = sizeMiB(join(tree, 'node_modules'))
  copyFileSync(join(ROOT, `node_modules/node-linux-${process.arch}/bin/node`), join(tree, 'bin/node'))
  writeFileSync(join(tree, 'bin/shoal'), LAUNCHER)
  for (const program of ['node', 'shoal']) chmodSync(join(tree, 'bin', program), 0o755)
  copyFileSync(join(ROOT, 'LICENSE'), join(tree, 'LICENSE'))
  for (const part of ['agent.yaml', 'systemd']) {
    cpSync(join(ROOT, 'config', part), join(tree, 'config', part), { recursive: true })
  }
  mkdirSync(join(tree, 'completions'))
  for (const shell of SHELLS) writeFileSync(join(tree, 'completions', `shoal.${shell}`), completionScript(tree, shell))
  writeFileSync(join(tree, 'shoal.1'), await manPage(version))
  writeFileSync(join(tree, SBOM), sbomText({ version, epoch, node: join(tree, 'bin/node') }))
  settle(tree, epoch)
  return { modules, trimmed, all: sizeMiB(tree) }
}

/** What is left of package.json where nothing is built or tested. */
function shippedManifest(version: string): Record<string, unknown> {
  const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const { name, description, license, type, engines, dependencies } = manifest
  return { name, version, description, license, private: true, type, engines, dependencies }
}

/** Installs the locked production modules and trims them. Returns their size before, in MiB. */
function installModules(tree: string): number {
  const work = join(tree, 'install')
  mkdirSync(work)
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(join(ROOT, file), join(work, file))
  const quiet = ['--ignore-scripts', '--prefer-offline', '--loglevel=error']
  run('npm', ['ci', '--omit=dev', '--omit=optional', ...quiet], { cwd: work })
  renameSync(join(work, 'node_modules'), join(tree, 'node_modules'))
  // npm's notes about this installation say where from; links to programs that nobody runs would lead to this directory
  for (const own of ['.package-lock.json', '.bin']) rmSync(join(tree, 'node_modules', own), { recursive: true })
  rmSync(work, { recursive: true })
  const before = sizeMiB(join(tree, 'node_modules'))
  trimModules(join(tree, 'node_modules'), process.arch)
  return before
}

/** Rights and times are the same whoever builds, where and when. */
export function settle(directory: string, epoch: string): void {
  run('chmod', ['-R', 'u=rwX,go=rX', directory])
  run('find', [directory, '-exec', 'touch', '--no-dereference', `--date=@${epoch}`, '{}', '+'])
}

function sizeMiB(directory: string): number {
  const bytes = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((path) => statSync(join(directory, path), { throwIfNoEntry: false }))
    .reduce((sum, file) => sum + (file?.isFile() ? file.size : 0), 0)
  return Math.round(bytes / 1024 / 1024)
}

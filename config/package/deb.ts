import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { ROOT, run } from './run.ts'
import { SBOM, settle } from './stage.ts'

export interface DebOptions {
  /** A directory to work in. */
  readonly work: string
  readonly out: string
  readonly version: string
  /** The time of every file in it, in seconds since 1970 (reproducible-builds.org, SOURCE_DATE_EPOCH). */
  readonly epoch: string
  /** Much quicker to build, three times as large. */
  readonly uncompressed: boolean
}

const HERE = import.meta.dirname
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** Files under /etc: dpkg asks before it replaces one that an administrator changed. */
const CONFFILES = ['agent.yaml', 'cache.yaml']
const SCRIPTS = ['postinst', 'prerm', 'postrm']

/** Where a shell looks for completions, and the name it expects (Debian policy and the shells' manuals). */
const COMPLETIONS: Readonly<Record<string, string>> = {
  'shoal.bash': 'usr/share/bash-completion/completions/shoal',
  'shoal.zsh': 'usr/share/zsh/vendor-completions/_shoal',
  'shoal.fish': 'usr/share/fish/vendor_completions.d/shoal.fish',
}

/** Makes the Debian package of a staged tree. Returns its path. Throws where Debian has no such architecture. */
export function buildDeb(tree: string, options: DebOptions): string {
  const arch = ARCHITECTURES[process.arch]
  if (arch === undefined) throw new Error(`no Debian package for ${process.arch}`)
  const root = join(options.work, 'deb')
  fill(root, tree)
  writeControl(root, options.version, arch)
  const path = join(options.out, `shoal_${options.version}_${arch}.deb`)
  settle(root, options.epoch)
  const compression = options.uncompressed ? ['-Znone'] : ['-Zxz', '-z1']
  const env = { SOURCE_DATE_EPOCH: options.epoch }
  run('dpkg-deb', ['--root-owner-group', ...compression, '--build', root, path], { env })
  return path
}

/** Puts everything in its place of the file hierarchy. */
function fill(root: string, tree: string): void {
  for (const part of ['bin', 'dist', 'node_modules', 'package.json']) {
    cpSync(join(tree, part), place(root, `usr/lib/shoal/${part}`), { recursive: true })
  }
  symlinkSync('../lib/shoal/bin/shoal', place(root, 'usr/bin/shoal'))
  for (const unit of readdirSync(join(tree, 'config/systemd'))) {
    copyFileSync(join(tree, 'config/systemd', unit), place(root, `usr/lib/systemd/system/${unit}`))
  }
  for (const file of CONFFILES) copyFileSync(join(HERE, 'etc', file), place(root, `etc/shoal/${file}`))
  copyFileSync(join(tree, 'config/agent.yaml'), place(root, 'usr/share/doc/shoal/agent.yaml'))
  copyFileSync(join(tree, 'LICENSE'), place(root, 'usr/share/doc/shoal/copyright'))
  copyFileSync(join(tree, SBOM), place(root, `usr/share/doc/shoal/${SBOM}`))
  copyFileSync(join(ROOT, 'CHANGELOG.md'), place(root, 'usr/share/doc/shoal/CHANGELOG.md'))
  const page = gzipSync(readFileSync(join(tree, 'shoal.1')), { level: 9 })
  writeFileSync(place(root, 'usr/share/man/man1/shoal.1.gz'), page)
  for (const [file, path] of Object.entries(COMPLETIONS)) {
    copyFileSync(join(tree, 'completions', file), place(root, path))
  }
}

function writeControl(root: string, version: string, arch: string): void {
  const control = `Package: shoal
Version: ${version}
Architecture: ${arch}
Maintainer: The Shoal developers <shoal@localhost>
Installed-Size: ${installedKiB(root)}
Depends: adduser, init-system-helpers (>= 1.62), libatomic1, libc6 (>= 2.28), libstdc++6 (>= 8)
Recommends: ca-certificates, systemd
Section: net
Priority: optional
Description: registry mirror that pulls container images as one swarm
 An agent on every host acts as a Docker Registry mirror: hosts fetch the layers
 of an image from one another and from the caches of their region, so that the
 registry sends each layer about once however many hosts pull it.
`
  writeFileSync(place(root, 'DEBIAN/control'), control)
  writeFileSync(place(root, 'DEBIAN/conffiles'), CONFFILES.map((file) => `/etc/shoal/${file}\n`).join(''))
  for (const script of SCRIPTS) {
    const path = place(root, `DEBIAN/${script}`)
    copyFileSync(join(HERE, 'debian', script), path)
    chmodSync(path, 0o755)
  }
}

function installedKiB(root: string): number {
  const sizes = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((path) => statSync(join(root, path), { throwIfNoEntry: false }))
    .map((file) => (file?.isFile() ? Math.ceil(file.size / 1024) : 1))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** A path below the root, its directory made. */
function place(root: string, path: string): string {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  return join(root, path)
}

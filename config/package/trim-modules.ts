import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Types, sources, maps and texts: nothing of a package that Node reads. Licences stay. */
const UNREAD_FILE = /(\.d\.[cm]?ts|\.[cm]?ts|\.tsx|\.map|\.md|\.markdown|\.flow|\.cc|\.gyp|\.tsbuildinfo)$/
const LICENCE = /^(licen[cs]e|copying|notice)/i

/** Directories at the top of a package that its program does not use. */
const UNREAD_DIRECTORIES = ['.github', 'benchmark', 'benchmarks', 'doc', 'docs', 'example', 'examples', 'test', 'tests']

/** Second copies of the AWS SDK's code, for bundlers and for type checkers: Node loads `dist-cjs`. */
const AWS_COPIES = ['dist-es', 'dist-types']

/** Deletes what a running Shoal never reads out of `modules`, a `node_modules` of production packages. */
export function trimModules(modules: string, arch: string): void {
  for (const path of readdirSync(modules, { recursive: true, encoding: 'utf8' })) {
    const name = basename(path)
    if (name === 'package.json') trimPackage(join(modules, dirname(path)))
    if (UNREAD_FILE.test(name) && !LICENCE.test(name)) rmSync(join(modules, path), { force: true, recursive: true })
  }
  const level = join(modules, 'classic-level')
  rmSync(join(level, 'deps'), { recursive: true, force: true })
  for (const platform of readdirSync(join(level, 'prebuilds'))) {
    if (platform !== `linux-${arch}`) rmSync(join(level, 'prebuilds', platform), { recursive: true })
  }
}

function trimPackage(directory: string): void {
  for (const name of UNREAD_DIRECTORIES) {
    // A directory with a package.json of its own is a package, whatever its name.
    const path = join(directory, name)
    if (!existsSync(join(path, 'package.json'))) rmSync(path, { recursive: true, force: true })
  }
  if (existsSync(join(directory, 'dist-cjs'))) {
    for (const name of AWS_COPIES) rmSync(join(directory, name), { recursive: true, force: true })
  }
}

import { cp, lstat, mkdir, realpath, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { execute } from './execute.ts'

/** What nobody reads in a container; Debian's slim images have none of it either. */
const LEFT_OUT = /^\/usr\/share\/(?:doc|info|lintian|locale|man)(?:\/|$)/
/** What packages make when they are installed. */
const MADE = ['/bin', '/lib', '/lib32', '/lib64', '/libx32', '/sbin', '/etc/ld.so.cache']

interface Package {
  readonly isEssential: boolean
  /** Each one of several that will do. */
  readonly needs: readonly (readonly string[])[]
}

/**
 * Fills `root` with the files of a bare Debian and of `packages`, taken from this machine's own, as a base for images
 * where none can be pulled. Needs root.
 */
export async function copyDebianBase(root: string, packages: readonly string[]): Promise<void> {
  const names = await withDependencies(packages)
  const { stdout } = await execute('dpkg-query', ['--listfiles', ...names])
  const listed = new Set<string>(MADE)
  for (const path of stdout.split('\n')) {
    if (path.startsWith('/') && path !== '/.' && !LEFT_OUT.test(path)) listed.add(await ownPath(path))
  }
  const there = await Promise.all([...listed].map(async (path) => ((await isThere(path)) ? [path] : [])))
  const list = `${root}.files`
  await writeFile(
    list,
    there
      .flat()
      .sort()
      .map((path) => `.${path}\n`)
      .join(''),
  )
  await mkdir(root)
  const pack = 'tar -C / --no-recursion --files-from "$1" --create | tar -C "$2" --extract --preserve-permissions'
  await execute('sh', ['-ec', pack, 'sh', list, root])
  for (const name of ['passwd', 'group']) await cp(`/usr/share/base-passwd/${name}.master`, join(root, 'etc', name))
  const { stdout: status } = await execute('dpkg-query', ['--status', ...names])
  await mkdir(join(root, 'var/lib/dpkg/info'), { recursive: true })
  await writeFile(join(root, 'var/lib/dpkg/status'), status)
  await cp('/etc/ssl/certs', join(root, 'etc/ssl/certs'), { recursive: true, verbatimSymlinks: true })
}

/** Those packages, the essential ones, and all that they need. */
async function withDependencies(packages: readonly string[]): Promise<string[]> {
  const { installed, providers } = await readPackages()
  const essential = [...installed].filter(([, { isEssential }]) => isEssential).map(([name]) => name)
  const found = new Set<string>()
  const left = [...packages, ...essential]
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (found.has(name)) continue
    found.add(name)
    for (const choice of installed.get(name)?.needs ?? []) {
      const taken = choice
        .map((one) => (installed.has(one) ? one : providers.get(one)))
        .find((one) => one !== undefined)
      if (taken !== undefined) left.push(taken)
    }
  }
  return [...found].filter((name) => installed.has(name))
}

async function readPackages(): Promise<{ installed: Map<string, Package>; providers: Map<string, string> }> {
  const fields = ['Package', 'Essential', 'Pre-Depends', 'Depends', 'Provides'].map((name) => `\${${name}}`)
  const format = `${fields.join('\\t')}\\n`
  const { stdout } = await execute('dpkg-query', ['--show', `--showformat=${format}`])
  const installed = new Map<string, Package>()
  const providers = new Map<string, string>()
  for (const line of stdout.split('\n')) {
    const [name = '', essential, before = '', needs = '', provides = ''] = line.split('\t')
    if (name === '') continue
    installed.set(name, { isEssential: essential === 'yes', needs: [...relations(before), ...relations(needs)] })
    for (const [one] of relations(provides)) if (one !== undefined) providers.set(one, name)
  }
  return { installed, providers }
}

/** `a (>= 1), b:any | c` as names. */
function relations(text: string): string[][] {
  const groups = text
    .split(',')
    .map((group) => group.split('|').map((one) => /[a-z0-9][a-z0-9+.-]+/.exec(one)?.[0] ?? ''))
  return groups.map((group) => group.filter((name) => name !== '')).filter((group) => group.length > 0)
}

/** Packages name files by the links that lead to their directories, such as /bin. */
async function ownPath(path: string): Promise<string> {
  const directory = await realpath(dirname(path)).catch(() => dirname(path))
  return join(directory, basename(path))
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

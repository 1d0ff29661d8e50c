import { dirname, join, normalize, sep } from 'node:path'

/** Rooms from the top down. A room may import rooms of lower levels only, never one beside it. */
export const LEVELS: readonly (readonly string[])[] = [
  ['launch'],
  ['main'],
  ['cli'],
  ['demo'],
  ['pull'],
  ['node'],
  // What a container runtime's files must say is nothing that the daemon needs, nor is the simulator.
  ['config', 'setup', 'sim'],
  ['registry', 'admin'],
  ['prewarm', 'purge'],
  ['webhook', 'runtime', 'pins', 'orders'],
  ['blob'],
  ['transfer'],
  // Finding homes is done over links.
  ['tier'],
  ['store', 'swarm', 'origin'],
  ['scheduler', 'trust'],
  ['piece'],
  ['oci'],
  ['base'],
]

/** Rooms that are shared words rather than services: their files are imported one by one. */
const OPEN_ROOMS = ['base', 'oci', 'piece']

/** Who may import which package (by its name, or its scope with a slash). */
const CONFINED: Readonly<Record<string, readonly string[]>> = {
  libp2p: ['swarm'],
  '@libp2p/': ['swarm'],
  '@chainsafe/': ['swarm'],
  '@multiformats/': ['swarm'],
  // The demo fills the bucket that the origins read.
  '@aws-sdk/': ['origin', 'demo'],
  // Docker Engine pulls when it is told to, over its socket.
  undici: ['origin', 'runtime', 'pull', 'demo'],
  level: ['store'],
  fastify: ['registry', 'admin'],
  'prom-client': ['node'],
  '@opentelemetry/': ['node'],
  pino: ['node'],
  'pino-pretty': ['node'],
  commander: ['cli'],
  diff: ['setup'],
  'jsonc-parser': ['setup'],
  'smol-toml': ['setup'],
}

/** What the pure rooms may import from outside the project. */
const PURE: Readonly<Record<string, readonly string[]>> = {
  scheduler: [],
  piece: ['node:crypto'],
  oci: ['node:crypto', 'zod'],
}

/** What would make a decision depend on more than its arguments. */
const IMPURE_WORDS =
  /(?<![.\w])(?:Date|performance|process|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|async|await|Promise)\b|\bMath\.random\b/g

export interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

/** A file of the project: its path from the root of the project, and its text. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

const STATIC = /^(import|export)(\s+type\b)?(?:[^'";]*?\bfrom)?\s*'([^']+)'/gm
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g

/** Every import of a file, static and dynamic, and re-export. */
export function importsOf(text: string): Import[] {
  const bare = text.replace(/\/\*[\s\S]*?\*\//g, '')
  const statics = [...bare.matchAll(STATIC)].map((match) => ({
    specifier: match[3] ?? '',
    typeOnly: match[2] !== undefined,
  }))
  const dynamics = [...bare.matchAll(DYNAMIC)].map((match) => ({ specifier: match[1] ?? '', typeOnly: false }))
  return [...statics, ...dynamics]
}

/** `src/store/paths.ts` -> `store`; `src/main.ts` -> `main`; undefined outside of src. */
export function roomOf(path: string): string | undefined {
  const [top, room] = path.split(sep)
  return top === 'src' && room !== undefined ? room.replace(/\.ts$/, '') : undefined
}

/** The file a relative import means, from the root of the project; undefined for packages. */
export function targetOf(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? normalize(join(dirname(from), specifier)) : undefined
}

/** Imports that go up, sideways, or to a room nobody knows. */
export function layerViolations(file: SourceFile): string[] {
  const from = roomOf(file.path)
  return crossRoomImports(file).flatMap(({ target, room }) => {
    const [here, there] = [levelOf(from), levelOf(room)]
    if (here < 0 || there < 0) return [`${file.path} -> ${target}: a room that LEVELS does not place`]
    return here < there ? [] : [`${file.path} -> ${target}: ${from} may not import ${room}`]
  })
}

/** Imports that reach past the index.ts of another room. Types may come from its interface.ts. */
export function deepImports(file: SourceFile): string[] {
  return crossRoomImports(file).flatMap(({ target, room, typeOnly }) => {
    if (room === undefined || OPEN_ROOMS.includes(room)) return []
    const isOneFile = target === join('src', `${room}.ts`)
    const isFace = isOneFile || target.endsWith(`${sep}index.ts`) || (typeOnly && target.endsWith(`${sep}interface.ts`))
    return isFace ? [] : [`${file.path} -> ${target}: outsiders import index.ts`]
  })
}

/** Packages used where they do not belong, and packages that package.json does not name. */
export function packageViolations(file: SourceFile, declared: ReadonlySet<string>): string[] {
  const room = roomOf(file.path) ?? ''
  return importsOf(file.text).flatMap(({ specifier }) => {
    if (specifier.startsWith('.') || specifier.startsWith('node:')) return []
    const name = packageName(specifier)
    const allowed = Object.entries(CONFINED).find(([key]) => (key.endsWith('/') ? name.startsWith(key) : name === key))
    if (allowed?.[1].includes(room) === false) {
      return [`${file.path}: ${name} belongs to ${allowed[1].join(' and ')}`]
    }
    return declared.has(name) ? [] : [`${file.path}: ${name} is not in package.json`]
  })
}

/** What makes a file of a pure room impure. */
export function impurities(file: SourceFile): string[] {
  const allowed = PURE[roomOf(file.path) ?? '']
  if (allowed === undefined) return []
  const outside = importsOf(file.text)
    .map(({ specifier }) => specifier)
    .filter((specifier) => !specifier.startsWith('.') && !allowed.includes(specifier))
  const words = codeOnly(file.text).match(IMPURE_WORDS) ?? []
  return [...outside, ...new Set(words)].map((what) => `${file.path}: ${what} in a pure room`)
}

const CLOCK = join('src', 'base', 'clock.ts')
const OWN_TIME = /\bDate\.now\b|\bperformance\.now\b|\bnew Date\(\)/g

/** Ways to know the time other than the Clock, which tests and the simulator own. */
export function ownTimes(file: SourceFile): string[] {
  const found = file.path === CLOCK ? [] : (codeOnly(file.text).match(OWN_TIME) ?? [])
  return found.map((what) => `${file.path}: ${what} beside the Clock`)
}

/** Literals that are spread into others: the compiler lets them bring keys that nobody reads. */
export function spreadLiterals(file: SourceFile): string[] {
  return (codeOnly(file.text).match(/\.\.\.\{ /g) ?? []).map(() => `${file.path}: a literal is spread into another`)
}

const TEXT_AS_ERROR = /\berr: (?:errorText\(|String\(|[\w.#]+\.message\b|'')/g

/** Log lines whose `err` is a text: one field of two types breaks log stores, and the text has lost the cause. */
export function textsAsErrors(file: SourceFile): string[] {
  return (codeOnly(file.text).match(TEXT_AS_ERROR) ?? []).map((what) => `${file.path}: ${what}`)
}

/** Groups of files that need each other at run time. Type imports vanish before that, so they do not count. */
export function importCycles(files: readonly SourceFile[]): string[][] {
  const edges = new Map(files.map((file) => [file.path, runtimeTargets(file)]))
  const done = new Set<string>()
  const cycles: string[][] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) cycles.push([...trail.slice(at), path])
    if (at >= 0 || done.has(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return cycles
}

const DECLARED = /^export (?:async )?(?:abstract )?(?:const|let|function\*?|class|interface|type) (\w+)/gm
const LISTED = /^export(?: type)? \{([^}]*)\}/gm
const NAMED = /^(?:import|export)(?: type)? \{([^}]*)\} from '(\.[^']+)'/gm
const AWAITED = /\{([^{}]*)\} = await import\('(\.[^']+)'\)/g
const WHOLE = /(?<!\} = await )\bimport\('(\.[^']+)'\)/g

/** Exports of `source` that no file of `all` imports: dead, or nobody's business. */
export function deadExports(source: readonly SourceFile[], all: readonly SourceFile[]): string[] {
  const used = new Set(all.flatMap(usedNames))
  return source
    .flatMap(({ path, text }) => exportsOf(text).map((name) => ({ path, name })))
    .filter(({ path, name }) => !used.has(`${path} ${name}`) && !used.has(path))
    .map(({ path, name }) => `${path}: ${name}`)
}

function exportsOf(text: string): string[] {
  const declared = [...text.matchAll(DECLARED)].map((match) => match[1] ?? '')
  const listed = [...text.matchAll(LISTED)].flatMap((match) => namesIn(match[1] ?? '').map(({ to }) => to))
  return [...declared, ...listed]
}

/** As `file name`, or only the file where all of it is taken. */
function usedNames(file: SourceFile): string[] {
  const named = [...file.text.matchAll(NAMED), ...file.text.matchAll(AWAITED)].flatMap(
    ([, names = '', specifier = '']) => {
      const target = targetOf(file.path, specifier)
      return namesIn(names).map(({ from }) => `${target} ${from}`)
    },
  )
  return [...named, ...[...file.text.matchAll(WHOLE)].map((match) => targetOf(file.path, match[1] ?? '') ?? '')]
}

/** `a, type b as c` -> a, b and what they are called. */
function namesIn(list: string): { readonly from: string; readonly to: string }[] {
  const names = list.split(',').map((name) => name.trim().replace(/^type /, ''))
  return names
    .filter((name) => name !== '')
    .map((name) => {
      const [from = '', to = from] = name.split(/ as |: /)
      return { from, to }
    })
}

function runtimeTargets(file: SourceFile): string[] {
  return importsOf(file.text).flatMap(({ specifier, typeOnly }) => {
    const target = typeOnly ? undefined : targetOf(file.path, specifier)
    return target === undefined ? [] : [target]
  })
}

interface CrossRoomImport {
  readonly target: string
  readonly room: string | undefined
  readonly typeOnly: boolean
}

function crossRoomImports(file: SourceFile): CrossRoomImport[] {
  return importsOf(file.text).flatMap(({ specifier, typeOnly }) => {
    const target = targetOf(file.path, specifier)
    const room = target === undefined ? undefined : roomOf(target)
    return target === undefined || room === roomOf(file.path) ? [] : [{ target, room, typeOnly }]
  })
}

function levelOf(room: string | undefined): number {
  return LEVELS.findIndex((rooms) => room !== undefined && rooms.includes(room))
}

function packageName(specifier: string): string {
  const parts = specifier.split('/')
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

/** The text without comments and without what is inside of quotes. */
function codeOnly(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g, "''")
}

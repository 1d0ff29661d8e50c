import { parseDocument } from 'yaml'
import type { Problem } from './problem.ts'
import { unknownKey, valueAt } from './problem.ts'
import type { KeyPath, SchemaNode } from './schema-walk.ts'
import { nodeAt, settingPaths } from './schema-walk.ts'

/** One value that goes on top of what is there, and who said so. */
export interface Override {
  readonly path: KeyPath
  readonly value: unknown
  /** E.g. `SHOAL_STORE_PATH` or `--set store.path`. */
  readonly source: string
}

/** Overrides understood, and problems with the others by their source. */
interface OverrideReading {
  readonly overrides: readonly Override[]
  readonly problems: readonly (Problem & { readonly source: string })[]
}

const PREFIX = 'SHOAL_'

/**
 * What Kubernetes puts into every container for each Service of the namespace: with one named `shoal`, these would
 * look like configuration.
 */
const SERVICE_LINK =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/

/** What the commands read, and are no keys of the configuration: an agent started from the same shell lets them be. */
const CLIENT_VARIABLES = new Set([
  'SHOAL_ADMIN',
  'SHOAL_TOKEN_FILE',
  'SHOAL_CONFIG',
  'SHOAL_CREDENTIAL',
  'SHOAL_CREDENTIAL_KEY',
])

/** Reads `SHOAL_STORE_PATH` as store.path. Words may be split or not: SHOAL_STORE_MIN_FREE = SHOAL_STORE_MINFREE. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>, root: SchemaNode): OverrideReading {
  const byName = new Map(settingPaths(root).map((path) => [squeeze(path.join('')), path]))
  const overrides: Override[] = []
  const problems: (Problem & { source: string })[] = []
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || text === undefined) continue
    if (SERVICE_LINK.test(name) || CLIENT_VARIABLES.has(name)) continue
    const path = byName.get(squeeze(name.slice(PREFIX.length)))
    if (path === undefined) {
      const guess = name.slice(PREFIX.length).toLowerCase().split('_')
      problems.push({ ...unknownKey(root, [guess[0] ?? '', guess.slice(1).join('')].filter(Boolean)), source: name })
    } else overrides.push({ path, value: environmentValue(text, nodeAt(root, path)?.kind), source: name })
  }
  return { overrides, problems }
}

/** Reads `a.b=value`, the value as YAML; list entries by index (`upstreams.0.name=...`). */
export function readAssignments(assignments: readonly string[], root: SchemaNode): OverrideReading {
  const overrides: Override[] = []
  const problems: (Problem & { source: string })[] = []
  for (const assignment of assignments) {
    const equals = assignment.indexOf('=')
    const path = assignment.slice(0, equals < 0 ? undefined : equals).split('.')
    const source = `--set ${path.join('.')}`
    const value = equals < 0 ? undefined : readYaml(assignment.slice(equals + 1))
    if (equals < 0) problems.push({ path, message: 'has no value; write --set key=value', source })
    else if (nodeAt(root, path) === undefined) problems.push({ ...unknownKey(root, path), source })
    else if (value === undefined) problems.push({ path, message: 'the value is not valid YAML', source })
    else overrides.push({ path, value: value.data, source })
  }
  return { overrides, problems }
}

/** Puts overrides over `raw`, in order, into a copy. Lists that are only in the schema's defaults start from those. */
export function overlay(
  raw: unknown,
  overrides: readonly Override[],
  root: SchemaNode,
): { readonly raw: unknown; readonly problems: readonly (Problem & { readonly source: string })[] } {
  if (overrides.length === 0) return { raw, problems: [] }
  const copy: unknown = structuredClone(raw)
  const top = isContainer(copy) ? copy : {}
  const problems: (Problem & { source: string })[] = []
  for (const { path, value, source } of overrides) {
    const nextIndex = put(top, path, value, root)
    if (nextIndex === undefined) continue
    problems.push({ path, message: `is beyond the list's end; the next index is ${nextIndex}`, source })
  }
  return { raw: top, problems }
}

/** Puts one value in its place. Returns the next free index of a list instead, if the path leaves a gap in it. */
function put(top: Container, path: KeyPath, value: unknown, root: SchemaNode): number | undefined {
  let container = top
  for (const [depth, key] of path.entries()) {
    if (Array.isArray(container) && Number(key) > container.length) return container.length
    if (depth === path.length - 1) {
      container[key] = value
      return undefined
    }
    let next = valueAt(container, [key])
    if (!isContainer(next)) {
      const node = nodeAt(root, path.slice(0, depth + 1))
      next = structuredClone(node?.kind === 'section' ? {} : node?.written) ?? (node?.kind === 'list' ? [] : {})
      container[key] = next
    }
    container = next as Container
  }
  return undefined
}

type Container = Record<string | number, unknown>

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null
}

function squeeze(name: string): string {
  return name.replaceAll('_', '').toUpperCase()
}

/** Lists may be written with commas, maps as `a=b,c=d`; either also as YAML or JSON. Other values stay text. */
function environmentValue(text: string, kind: SchemaNode['kind'] | undefined): unknown {
  const trimmed = text.trim()
  if (kind === 'list' && !trimmed.startsWith('[')) return splitCommas(trimmed)
  if (kind === 'map' && !trimmed.startsWith('{')) {
    return Object.fromEntries(splitCommas(trimmed).map((pair) => splitOnce(pair)))
  }
  const data = readYaml(text)?.data
  return typeof data === 'string' || typeof data === 'number' || data === undefined ? text : data
}

function splitCommas(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function splitOnce(pair: string): [string, string] {
  const equals = pair.indexOf('=')
  return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
}

/** The data of one YAML value, or undefined for other text. */
function readYaml(text: string): { readonly data: unknown } | undefined {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' })
  if (document.errors.length > 0) return undefined
  try {
    return { data: document.toJS() as unknown }
  } catch {
    // an alias of nothing, or of too much
    return undefined
  }
}

import type { z } from 'zod'
import { nearestText } from './nearest.ts'
import type { KeyPath, SchemaNode } from './schema-walk.ts'
import { nodeAt, settingPaths } from './schema-walk.ts'

/** One thing wrong with what the user gave. */
export interface Problem {
  /** The key, or the variable or flag when it names no key. */
  readonly path: KeyPath
  readonly message: string
}

const MAX_SHOWN_CHARS = 60

export function pathText(path: KeyPath): string {
  return path.join('.')
}

/** An unknown key, with the known one it is most like and what may stand in its place. */
export function unknownKey(root: SchemaNode, path: KeyPath): Problem {
  const parent = path.slice(0, -1)
  const here = nodeAt(root, parent)?.keys ?? []
  const known = [...settingPaths(root).map(pathText), ...here.map((key) => pathText([...parent, key]))]
  const nearest = nearestText(pathText(path), known)
  const allowed = here.length > 0 ? `; allowed here: ${here.join(', ')}` : ''
  return { path, message: `unknown key${nearest === undefined ? '' : `; the nearest is ${nearest}`}${allowed}` }
}

/** What zod found, in the user's terms. `raw` is what was checked, for showing the offending value. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], root: SchemaNode, raw: unknown): Problem[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(root, [...path, key]))
    return [{ path, message: `${complaint(issue, valueAt(raw, path))}${allowedText(root, path)}` }]
  })
}

function complaint(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_key') return 'the name is not allowed'
  if (value === undefined) return 'is missing'
  // Values of secrets are never shown: a mistyped one is still a secret.
  const secret = /password|secret|token$/i.test(String(issue.path.at(-1)))
  const shown = secret || (typeof value === 'object' && value !== null) ? '' : `${show(value)} `
  const own = /^(?:is|needs) /.test(issue.message)
  return `${shown}${own ? issue.message : 'is not allowed'}`
}

function show(value: unknown): string {
  // A URL may have been written with user info.
  const text = (JSON.stringify(value) ?? String(value)).replace(/\/\/[^/@]*@/, '//...@')
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}...` : text
}

/** The allowed values of the nearest documented key: inside of `tier.caches.0`, those of `tier.caches`. */
function allowedText(root: SchemaNode, path: KeyPath): string {
  for (let length = path.length; length > 0; length--) {
    const node = nodeAt(root, path.slice(0, length))
    const allowed =
      node?.about?.allowed ?? (node?.kind === 'section' ? `a group of ${node.keys.join(', ')}` : undefined)
    if (allowed !== undefined) return `; allowed: ${allowed}`
  }
  return ''
}

export function valueAt(raw: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((value, key) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    return (value as Record<string | number, unknown>)[key]
  }, raw)
}

import { isDeepStrictEqual } from 'node:util'
import { parse, TomlError } from 'smol-toml'
import { refusal, unreadable } from './refusal.ts'

/** A table as it is parsed: values are narrowed where they are used. */
export type TomlTable = Readonly<Record<string, unknown>>
type TomlValue = string | boolean | readonly string[]

/** Throws `CONFIG_INVALID`, which names the file and the line. */
export function parseToml(path: string, text: string): TomlTable {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [reason = ''] = error.message.replace('Invalid TOML document: ', '').split('\n')
    throw unreadable(path, error.line, `not valid TOML: ${reason}`)
  }
}

/** What is at `keys`; undefined where there is nothing. */
export function tomlAt(table: TomlTable, keys: readonly string[]): unknown {
  return keys.reduce<unknown>((value, key) => (isTable(value) ? value[key] : undefined), table)
}

export function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** Strings and lists of them are written alike in JSON. */
export function tomlValueText(value: TomlValue): string {
  return Array.isArray(value) ? `[${value.map((one) => JSON.stringify(one)).join(', ')}]` : JSON.stringify(value)
}

export function tomlHeader(table: readonly string[]): string {
  return `[${table.map((key) => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key))).join('.')}]`
}

/**
 * A file's text with `key = value` in a table, and nothing else changed: comments and order stay. Throws `SETUP_REFUSED`
 * when the way the file is written does not allow that.
 */
export function setTomlKey(
  path: string,
  text: string,
  table: readonly string[],
  key: string,
  value: TomlValue,
): string {
  const before = parseToml(path, text)
  if (isDeepStrictEqual(tomlAt(before, [...table, key]), value)) return text
  const edited = editedText(text, table, key, value)
  const byHand = `${tomlHeader(table)}\n  ${key} = ${tomlValueText(value)}`
  checkEdit(path, edited, withValue(before, [...table, key], value), byHand)
  return edited
}

/** That a text says what it should, now that it has been edited as text. */
export function checkEdit(path: string, edited: string, wanted: unknown, byHand: string): void {
  if (!says(edited, wanted)) throw refusal(`${path} is written in a way that cannot be edited safely`, byHand)
}

function says(text: string, wanted: unknown): boolean {
  try {
    return isDeepStrictEqual(plain(parse(text)), plain(wanted))
  } catch {
    // no TOML, or nested deeper than can be compared
    return false
  }
}

/** The index of the line that opens a table for which `isWanted` holds; -1 without one. */
export function headerLine(lines: readonly string[], isWanted: (table: readonly string[]) => boolean): number {
  return lines.findIndex((line) => {
    const table = tableOf(line)
    return table !== undefined && isWanted(table)
  })
}

function editedText(text: string, table: readonly string[], key: string, value: TomlValue): string {
  const lines = text.split('\n')
  const at = headerLine(lines, (found) => isDeepStrictEqual(found, table))
  if (at < 0) return appended(text, `${tomlHeader(table)}\n  ${key} = ${tomlValueText(value)}\n`)
  const indent = /^\s*/.exec(lines[at] ?? '')?.[0] ?? ''
  const line = `${key} = ${tomlValueText(value)}`
  const old = keyLine(lines, at, key)
  if (old === undefined) return lines.toSpliced(at + 1, 0, `${indent}  ${line}`).join('\n')
  const { index, own, comment } = old
  return lines.toSpliced(index, 1, `${own}${line}${comment}`).join('\n')
}

export function appended(text: string, block: string): string {
  if (text.trim() === '') return `${text}${block}`
  return `${text}${text.endsWith('\n') ? '' : '\n'}\n${block}`
}

/** `[a."b.c"]` -> `a`, `b.c`; undefined for a line that opens no table. */
function tableOf(line: string): readonly string[] | undefined {
  const header = /^\s*(\[[^[].*\])\s*(?:#.*)?$/.exec(line)?.[1]
  if (header === undefined) return undefined
  try {
    const keys: string[] = []
    for (let inner: unknown = parse(header); isTable(inner); ) {
      const [key] = Object.keys(inner)
      if (key === undefined) break
      keys.push(key)
      inner = inner[key]
    }
    return keys
  } catch {
    return undefined
  }
}

/** A key that a table has on one line; what stands before and behind it is kept. */
function keyLine(lines: readonly string[], header: number, key: string) {
  for (let index = header + 1; index < lines.length; index += 1) {
    const line = lines[index] ?? ''
    if (tableOf(line) !== undefined || /^\s*\[\[/.test(line)) return undefined
    const said = lineTable(line)
    if (said === undefined || !(key in said)) continue
    const comment = [...line.matchAll(/\s*#/g)].find(({ index: at }) =>
      isDeepStrictEqual(lineTable(line.slice(0, at)), said),
    )
    return { index, own: /^\s*/.exec(line)?.[0] ?? '', comment: comment === undefined ? '' : line.slice(comment.index) }
  }
  return undefined
}

function lineTable(line: string): TomlTable | undefined {
  try {
    return parse(line)
  } catch {
    return undefined
  }
}

function withValue(table: TomlTable, [key = '', ...rest]: readonly string[], value: TomlValue): TomlTable {
  const inner = table[key]
  const next = rest.length === 0 ? value : withValue(isTable(inner) ? inner : {}, rest, value)
  return { ...table, [key]: next }
}

/** Tables without the prototype that the parser gives or leaves out, so that only what they say is compared. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (!isTable(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

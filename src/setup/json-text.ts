import { isDeepStrictEqual } from 'node:util'
import type { FormattingOptions, JSONPath, ParseError } from 'jsonc-parser'
import { applyEdits, modify, parse, printParseErrorCode } from 'jsonc-parser'
import { parseJson } from '../base/json.ts'
import { refusal, unreadable } from './refusal.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** An object's text; an empty file is an empty object, as Docker reads it. Throws `CONFIG_INVALID` with file and line. */
export function parseJsonObject(path: string, text: string): JsonObject {
  if (text.trim() === '') return {}
  const value = parseJson(text)
  if (value === undefined) throw unreadable(path, faultLine(text), `not valid JSON: ${faultText(text)}`)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unreadable(path, 1, 'is no JSON object')
  return { ...value }
}

/** A file's text with `text` first in the list at `key`, and nothing else changed: format and order stay. */
export function putFirst(path: string, text: string, key: string, entry: string): string {
  const before = parseJsonObject(path, text)
  const old: unknown = before[key] ?? []
  if (!Array.isArray(old)) throw unreadable(path, undefined, `${key} is no list`)
  if (old.includes(entry)) return text
  const wanted = { ...before, [key]: [entry, ...old] }
  if (text.trim() === '') return `${JSON.stringify(wanted, undefined, 2)}\n`
  const formattingOptions = formatOf(text)
  const isInsertion = old.length > 0
  const at: JSONPath = isInsertion ? [key, 0] : [key]
  const edits = modify(text, at, isInsertion ? entry : [entry], { formattingOptions, isArrayInsertion: isInsertion })
  const edited = applyEdits(text, edits)
  if (!isDeepStrictEqual(parseJson(edited), wanted)) {
    const byHand = `${JSON.stringify({ [key]: wanted[key] }, undefined, 2)}`
    throw refusal(`${path} is written in a way that cannot be edited safely`, byHand)
  }
  return edited
}

function formatOf(text: string): FormattingOptions {
  const indent = /\n([ \t]+)\S/.exec(text)?.[1]
  const eol = text.includes('\r\n') ? '\r\n' : '\n'
  return { insertSpaces: indent?.startsWith('\t') !== true, tabSize: indent?.length ?? 2, eol, keepLines: true }
}

function faults(text: string): ParseError[] {
  const found: ParseError[] = []
  parse(text, found, { allowTrailingComma: false, disallowComments: true })
  return found
}

function faultLine(text: string): number {
  const offset = faults(text)[0]?.offset ?? 0
  return text.slice(0, offset).split('\n').length
}

function faultText(text: string): string {
  const [fault] = faults(text)
  if (fault === undefined) return 'JSON has no such value'
  return printParseErrorCode(fault.error)
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase()
}

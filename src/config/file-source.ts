import { readFile } from 'node:fs/promises'
import type { Document } from 'yaml'
import { isNode, LineCounter, parseDocument } from 'yaml'
import { errorText, ShoalError } from '../base/errors.ts'
import type { KeyPath } from './schema-walk.ts'

/** Far above any configuration, far below what a parser would choke on. */
const MAX_FILE_BYTES = 1024 * 1024

export interface FileSource {
  /** The document as plain data. */
  readonly raw: unknown
  /** `file:line` of the key at `path`, or of the closest thing around it that is written down. */
  locate(path: KeyPath): string
}

/** Reads a YAML (or JSON) file. Throws `CONFIG_INVALID` naming the file, and the line of a syntax error. */
export async function readFileSource(file: string): Promise<FileSource> {
  const text = await readText(file)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const errors = document.errors.map((error) => {
    const { line, col } = lines.linePos(error.pos[0])
    return `${file}:${line}:${col}: not valid YAML: ${error.message}`
  })
  if (errors.length > 0) throw new ShoalError('CONFIG_INVALID', errors.join('\n'), { details: { file } })
  return { raw: plainData(file, document), locate: (path) => `${file}:${lineOf(document, lines, path)}` }
}

async function readText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file)
    if (bytes.length > MAX_FILE_BYTES) throw new Error('larger than 1 MiB')
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    const message = `${file}: cannot be read as the configuration (${errorText(cause)}); name a YAML file with --config`
    throw new ShoalError('CONFIG_INVALID', message, { cause, details: { file } })
  }
}

function plainData(file: string, document: Document.Parsed): unknown {
  try {
    return document.toJS() ?? {}
  } catch (cause) {
    throw new ShoalError('CONFIG_INVALID', `${file}: not valid YAML: ${errorText(cause)}`, { cause })
  }
}

function lineOf(document: Document.Parsed, lines: LineCounter, path: KeyPath): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return 1
}

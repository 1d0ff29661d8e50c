import type { CommandIo } from './command-io.ts'

/** A narrower terminal has other problems. */
const LEAST_COLUMNS = 20

/** Writes text for eyes; on a terminal no line is wider than it, as far as words allow. */
export function writeText({ stdout }: Pick<CommandIo, 'stdout'>, text: string): void {
  stdout.write(`${fitText(text, stdout.columns)}\n`)
}

/**
 * Lines for a terminal of a number of columns: the rest of one that is too long goes on below, indented; it is broken between
 * the cells of a table, and between words where a cell alone is too long. Without a terminal nothing is changed.
 */
export function fitText(text: string, columns: number | undefined): string {
  if (columns === undefined || columns < LEAST_COLUMNS) return text
  const lines = text.split('\n').flatMap((line) => (line.length <= columns ? line : fitLine(line, columns)))
  return lines.join('\n')
}

function fitLine(line: string, columns: number): string[] {
  const second = /^ *\S+(?: \S+)* {2,}/.exec(line)?.[0].length ?? 0
  // under the second cell, where that leaves room for what it says
  const indent = ' '.repeat(second > 0 && second <= columns / 3 ? second : 2)
  const out: string[] = []
  let at = ''
  const add = (part: string): void => {
    if (at.trim() !== '' && at.length + part.trimEnd().length > columns) {
      out.push(at.trimEnd())
      at = indent
    }
    at += part
  }
  for (const cell of line.match(/ *\S+(?: \S+)*(?: {2,}|$)/g) ?? [line]) {
    const isLong = cell.trimEnd().length > columns - indent.length
    for (const part of isLong ? (cell.match(/ *\S+ */g) ?? []) : [cell]) add(part)
  }
  return [...out, at.trimEnd()]
}

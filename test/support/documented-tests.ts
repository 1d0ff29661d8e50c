/**
 * Tables of the documentation that name the test behind each cell. Such a table follows a line `<!-- tests -->`. Its first
 * column and its header say what is tested; every other cell either holds links
 * `[what is seen](../test/runtime/podman.test.ts "the full name of the test")`, or says `not run` or `no` and why.
 */

const MARK = '<!-- tests -->'
const LINK = /\[[^\]]+\]\(([^)\s]+) "((?:\\"|[^"])+)"\)/g
/** A call that defines a test, with its name as a literal. */
const DEFINITION =
  /\b(?:test|it|describe|suite|\w+Test)(?:\.\w+)?\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/g
const SAYS_WHY_NOT = /^(?:not run|no)\b.{3,}/
/** A name that is nearly all `${value}` would stand for any test. */
const LEAST_LITERAL_CHARS = 10

export interface Page {
  /** From the project's root, with `/`. */
  readonly path: string
  readonly text: string
}

interface Cell {
  readonly line: number
  readonly text: string
}

/** How many tests the page's tables name. */
export function namedTests(page: Page): number {
  return cellsOf(page.text).flatMap(({ text }) => [...text.matchAll(LINK)]).length
}

/** What is wrong with the tables of a page, one line each; `read` gives a file's text, undefined when there is none. */
export function testTableFaults(page: Page, read: (path: string) => string | undefined): string[] {
  return cellsOf(page.text).flatMap(({ line, text }) => {
    const links = [...text.matchAll(LINK)]
    if (links.length === 0) {
      return SAYS_WHY_NOT.test(text) ? [] : [`${page.path}:${line} names no test, nor why there is none: "${text}"`]
    }
    return links.flatMap(([, target = '', name = '']) => {
      const path = new URL(target, `file:///${page.path}`).pathname.slice(1)
      const source = read(path)
      if (source === undefined) return [`${page.path}:${line} names ${path}, which is not there`]
      return definesTest(source, name.replaceAll(/\\(["|])/g, '$1'))
        ? []
        : [`${page.path}:${line}: ${path} has no "${name}"`]
    })
  })
}

/** Whether a test file defines a test of this full name; a `${value}` in a definition stands for any text. */
export function definesTest(source: string, name: string): boolean {
  return [...source.matchAll(DEFINITION)].some(([, single, double, template]) => {
    if (template === undefined) return unescaped(single ?? double ?? '') === name
    const literals = template.split(/\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}/).map(unescaped)
    if (literals.join('').length < LEAST_LITERAL_CHARS) return false
    return new RegExp(`^${literals.map((text) => text.replace(/[$(-+.?[-^{|}]/g, '\\$&')).join('.*')}$`).test(name)
  })
}

function unescaped(literal: string): string {
  return literal.replaceAll(/\\(.)/g, '$1')
}

/** The cells of all marked tables that have to name a test. */
function cellsOf(text: string): Cell[] {
  const lines = text.split('\n')
  return lines.flatMap((marked, at) => (marked.trim() === MARK ? tableAfter(lines, at + 1) : []))
}

/** `from`: the index of the line behind the mark; blank lines may lie between. */
function tableAfter(lines: readonly string[], from: number): Cell[] {
  const start = lines.findIndex((line, at) => at >= from && line.trim() !== '')
  const found: Cell[] = []
  for (let at = start; at >= 0 && lines[at]?.startsWith('|'); at += 1) {
    const isBody = at >= start + 2
    const cells = (lines[at] ?? '').split(/(?<!\\)\|/).slice(1, -1)
    if (isBody) found.push(...cells.slice(1).map((cell) => ({ line: at + 1, text: cell.trim() })))
  }
  return found.length > 0 ? found : [{ line: from, text: 'a mark without a table' }]
}

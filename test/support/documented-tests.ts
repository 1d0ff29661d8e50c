/**
 * Tables of the documentation that name the test behind each cell. Such a table follows a line `<!-- tests -->`. Its first
 * column and its header say what is tested; every other cell either holds links
 * `[what is seen](../test/runtime/podman.test.ts "the full name of the test")`, or says `not run` or `no` and why.
 *
 * Where a table follows a line `<!-- test files -->`, its last column names the files alone, without directories that all
 * have: `tier` is test/integration/tier.test.ts, `trust/powers` test/unit/trust/powers.test.ts.
 */

const MARK = '<!-- tests -->'
const FILES_MARK = '<!-- test files -->'
/** Where a file of that name may be. */
const FILE_PLACES = ['test/integration', 'test/unit', 'test'] as const
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

/** What is wrong with the tables of a page that name test files, one line each. */
export function testFileFaults(page: Page, read: (path: string) => string | undefined): string[] {
  return rowsOf(page.text, FILES_MARK).flatMap(({ line, cells }) => {
    const names = (cells.at(-1) ?? '').split(',').map((name) => name.trim())
    return names
      .filter((name) => FILE_PLACES.every((place) => read(`${place}/${name}.test.ts`) === undefined))
      .map((name) => `${page.path}:${line} names ${JSON.stringify(name)}, which is no test file`)
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
  return rowsOf(text, MARK).flatMap(({ line, cells }) => cells.slice(1).map((cell) => ({ line, text: cell })))
}

interface Row {
  readonly line: number
  readonly cells: readonly string[]
}

/** The rows of all tables that follow the mark, without their heads. */
function rowsOf(text: string, mark: string): Row[] {
  const lines = text.split('\n')
  return lines.flatMap((marked, at) => (marked.trim() === mark ? tableAfter(lines, at + 1) : []))
}

/** `from`: the index of the line behind the mark; blank lines may lie between. */
function tableAfter(lines: readonly string[], from: number): Row[] {
  const start = lines.findIndex((line, at) => at >= from && line.trim() !== '')
  const found: Row[] = []
  for (let at = start; at >= 0 && lines[at]?.startsWith('|'); at += 1) {
    const cells = (lines[at] ?? '').split(/(?<!\\)\|/).slice(1, -1)
    if (at >= start + 2) found.push({ line: at + 1, cells: cells.map((cell) => cell.trim()) })
  }
  return found.length > 0 ? found : [{ line: from, cells: ['', 'a mark without a table'] }]
}

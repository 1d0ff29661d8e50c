import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadProgram } from '../../src/cli/program.ts'
import { TextSink } from '../support/run-command.ts'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = await readFile(join(ROOT, 'docs/troubleshooting.md'), 'utf8')

/** Cells of the page's tables, row by row. */
const ROWS = PAGE.split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| you see'))
  .map((line) => line.split('|').map((cell) => cell.trim()))

async function source(): Promise<string> {
  const texts: string[] = []
  for await (const file of glob('src/**/*.ts', { cwd: ROOT })) texts.push(await readFile(join(ROOT, file), 'utf8'))
  return texts.join('\n')
}

test('what the log is said to say in the guide to troubles, it says', async () => {
  const code = await source()
  const quoted = ROWS.flatMap(([, , says = '']) => [...says.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text))
  assert.ok(quoted.length > 10)
  for (const text of quoted)
    assert.ok(
      [`'${text}`, `\`${text}`].some((start) => code.includes(start)),
      text,
    )
})

test('the commands in the guides to troubles and to peak days are there', async () => {
  const { commands } = await loadProgram({
    stdout: new TextSink(),
    stderr: new TextSink(),
    env: {},
    signal: new AbortController().signal,
    setExitCode() {},
  })
  const names = new Set(commands.map((command) => command.name()))
  const pages = PAGE + (await readFile(join(ROOT, 'docs/peak-day.md'), 'utf8'))
  const used = [...pages.matchAll(/`shoal ([a-z-]+)[^`]*`/g)].map(([, name = '']) => name)
  assert.ok(used.length > 15)
  for (const name of used) assert.ok(names.has(name), `shoal ${name}`)
})

test('every link of the documentation leads somewhere', async () => {
  for await (const file of glob('{*.md,docs/**/*.md,src/**/*.md,config/**/*.md}', { cwd: ROOT })) {
    const text = await readFile(join(ROOT, file), 'utf8')
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)\s#]+)(?:#[^)\s]*)?(?: "[^)]*)?\)/g)].map(([, to = '']) => to)
    for (const to of links) {
      const isThere = await readFile(join(ROOT, file, '..', to)).then(
        () => true,
        (error: NodeJS.ErrnoException) => error.code === 'EISDIR',
      )
      assert.ok(isThere, `${file} links to ${to}`)
    }
  }
})

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Page } from '../support/documented-tests.ts'
import { definesTest, namedTests, testFileFaults, testTableFaults } from '../support/documented-tests.ts'

const ROOT = join(import.meta.dirname, '../..')

function read(path: string): string | undefined {
  const file = join(ROOT, path)
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

async function pages(): Promise<Page[]> {
  const found: Page[] = []
  for await (const path of glob('{*.md,docs/**/*.md,src/**/*.md}', { cwd: ROOT })) {
    found.push({ path, text: read(path) ?? '' })
  }
  return found
}

describe('the tests that the documentation names', () => {
  it('exist', async () => {
    const all = await pages()
    assert.deepEqual(
      all.flatMap((page) => testTableFaults(page, read)),
      [],
    )
    assert.ok(all.some((page) => page.path === 'docs/runtimes.md' && namedTests(page) > 0))
  })

  it('exist where only their files are named', async () => {
    const all = await pages()
    assert.deepEqual(
      all.flatMap((page) => testFileFaults(page, read)),
      [],
    )
    assert.ok(all.some(({ path, text }) => path === 'SECURITY.md' && text.includes('<!-- test files -->')))
  })
})

const SOURCE = `
test('it\\'s read', () => {})
  it(\`pulls \${a.b({ c: 1 })} by its name\`, () => {})
runtimeTest(
  "podman runs",
it(\`\${name} runs\`, () => {})
`

describe('a table that names tests', () => {
  const table = (cell: string): Page => ({
    path: 'docs/page.md',
    text: `before\n\n<!-- tests -->\n\n| what | a |\n|---|---|\n| one | ${cell} |\n\nafter | b | c |\n`,
  })
  const files = (path: string): string | undefined => (path === 'test/x.test.ts' ? SOURCE : undefined)
  const cells = [
    { cell: '[works](../test/x.test.ts "podman runs")', fault: undefined },
    { cell: '[works](../test/x.test.ts "pulls busybox by its name")', fault: undefined },
    { cell: '[works](../test/x.test.ts "it\'s read")', fault: undefined },
    { cell: 'not run: no such program here', fault: undefined },
    { cell: 'no: docker has no such form', fault: undefined },
    { cell: '', fault: /:7 names no test/ },
    { cell: 'works', fault: /:7 names no test/ },
    { cell: 'not run', fault: /:7 names no test/ },
    { cell: '[works](../test/x.test.ts)', fault: /:7 names no test/ },
    { cell: '[works](../test/y.test.ts "podman runs")', fault: /test\/y\.test\.ts, which is not there/ },
    { cell: '[works](../test/x.test.ts "podman")', fault: /has no "podman"/ },
    { cell: '[a](../test/x.test.ts "podman runs"), [b](../test/x.test.ts "pulls")', fault: /has no "pulls"/ },
  ]
  for (const { cell, fault } of cells) {
    it(`${fault === undefined ? 'may' : 'may not'} have a cell ${JSON.stringify(cell)}`, () => {
      const faults = testTableFaults(table(cell), files)
      if (fault === undefined) assert.deepEqual(faults, [])
      else assert.match(faults.join('\n'), fault)
    })
  }

  it('comes behind its mark', () => {
    assert.equal(testTableFaults({ path: 'a.md', text: '<!-- tests -->\n\nno table\n' }, files).length, 1)
  })

  it('may not name a definition that stands for any test', () => {
    assert.equal(definesTest(SOURCE, 'anything runs'), false)
  })
})

describe('a table that names test files', () => {
  const there = new Set([
    'test/integration/tier.test.ts',
    'test/unit/trust/powers.test.ts',
    'test/fuzz/targets.test.ts',
  ])
  const files = (path: string): string | undefined => (there.has(path) ? '' : undefined)
  const faults = (cell: string): string[] =>
    testFileFaults(
      { path: 'a.md', text: `<!-- test files -->\n\n| attack | test |\n|---|---|\n| one | ${cell} |\n` },
      files,
    )

  it('may name files of each kind of test', () => {
    assert.deepEqual(faults('tier, trust/powers, fuzz/targets'), [])
  })

  it('may not name one that is not there, or none', () => {
    assert.deepEqual(faults('tier, trust/power'), ['a.md:5 names "trust/power", which is no test file'])
    assert.equal(faults('').length, 1)
  })

  it('comes behind its mark', () => {
    assert.equal(testFileFaults({ path: 'a.md', text: '<!-- test files -->\n\nno table\n' }, files).length, 1)
  })
})

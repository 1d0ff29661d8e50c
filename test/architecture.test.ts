import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { z } from 'zod'
import type { SourceFile } from './support/architecture-rules.ts'
import {
  deadExports,
  deepImports,
  importCycles,
  importsOf,
  impurities,
  layerViolations,
  ownTimes,
  packageViolations,
  spreadLiterals,
  textsAsErrors,
} from './support/architecture-rules.ts'

const ROOT = join(import.meta.dirname, '..')
const MAX_FILE_LINES = 400
/** The heart of it stays in small parts. */
const HEART = ['src/transfer', 'src/scheduler']
const MAX_HEART_LINES = 300

function filesUnder(directory: string): SourceFile[] {
  return readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(ROOT, path), text: readFileSync(path, 'utf8') }))
}

function longerThan(most: number, directories: readonly string[]): { path: string; lines: number }[] {
  return directories
    .flatMap(filesUnder)
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > most)
}

function declaredPackages(): Set<string> {
  const names = z.record(z.string(), z.string()).default({})
  const schema = z.object({ dependencies: names, devDependencies: names })
  const { dependencies, devDependencies } = schema.parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))
  return new Set([...Object.keys(dependencies), ...Object.keys(devDependencies)])
}

describe('architecture', () => {
  const source = filesUnder('src')
  const declared = declaredPackages()

  it('imports go down the layers only', () => {
    assert.deepEqual(source.flatMap(layerViolations), [])
  })

  it('rooms are entered by their index.ts', () => {
    assert.deepEqual(source.flatMap(deepImports), [])
  })

  it('no files need each other in a circle', () => {
    assert.deepEqual(importCycles(source), [])
  })

  it('each library stays in the room that adapts it, and is declared', () => {
    assert.deepEqual(
      source.flatMap((file) => packageViolations(file, declared)),
      [],
    )
  })

  it('the pure rooms know no I/O, clock or chance', () => {
    assert.deepEqual(source.flatMap(impurities), [])
  })

  it('the Clock is the one source of time', () => {
    assert.deepEqual(source.flatMap(ownTimes), [])
  })

  it('no literal is spread into another', () => {
    assert.deepEqual(source.flatMap(spreadLiterals), [])
  })

  it('the err of a log line is what was thrown', () => {
    assert.deepEqual(source.flatMap(textsAsErrors), [])
  })

  it('JSON from outside is read in one place, which says how deep it may be', () => {
    const own = ['src/base/json.ts', 'src/base/version.ts']
    const readers = source.filter(({ text }) => text.includes('JSON.parse(')).map(({ path }) => path)
    // the demo reads what its own processes print
    assert.deepEqual(
      readers.filter((path) => !path.startsWith('src/demo/') && !own.includes(path)),
      [],
    )
  })

  it('a URL is parsed, not asked about first: the two answers differ for some', () => {
    assert.deepEqual(
      source.filter(({ text }) => text.includes('URL.canParse(')).map(({ path }) => path),
      [],
    )
  })

  it('what is exported is imported somewhere', () => {
    assert.deepEqual(deadExports(source, ['src', 'test', 'bench', 'config'].flatMap(filesUnder)), [])
  })

  it('rooms name their exports', () => {
    const starred = source.filter(({ text }) => /^export \*/m.test(text)).map(({ path }) => path)
    assert.deepEqual(starred, [])
  })

  it(`no file is longer than ${MAX_FILE_LINES} lines`, () => {
    assert.deepEqual(longerThan(MAX_FILE_LINES, ['src', 'test', 'bench']), [])
  })

  it(`no file of the transfer core is longer than ${MAX_HEART_LINES} lines`, () => {
    assert.deepEqual(longerThan(MAX_HEART_LINES, HEART), [])
  })
})

describe('the architecture rules', () => {
  const file = (path: string, text: string): SourceFile => ({ path, text })

  it('read static, type, side-effect, re-exporting and dynamic imports, over several lines', () => {
    const text = `import a from './a.ts'
import type { B } from './b.ts'
import './c.ts'
import {
  d,
  e,
} from './d.ts'
export { f } from './f.ts'
export type { G } from './g.ts'
/* import h from './h.ts' */
const i = await import('./i.ts')
const text = "import j from './j.ts'"
`
    assert.deepEqual(
      importsOf(text).map(({ specifier, typeOnly }) => (typeOnly ? `type ${specifier}` : specifier)),
      ['./a.ts', 'type ./b.ts', './c.ts', './d.ts', './f.ts', 'type ./g.ts', './i.ts'],
    )
  })

  it('catch imports that go up, sideways or past an index.ts', () => {
    const violations: readonly [path: string, specifier: string, caught: boolean][] = [
      ['src/store/a.ts', '../blob/index.ts', true],
      ['src/store/a.ts', '../swarm/index.ts', true],
      ['src/store/a.ts', '../base/errors.ts', false],
      ['src/store/a.ts', './b.ts', false],
      ['src/blob/a.ts', '../store/index.ts', false],
      ['src/blob/a.ts', '../nowhere/index.ts', true],
    ]
    for (const [path, specifier, caught] of violations) {
      assert.equal(layerViolations(file(path, `import { x } from '${specifier}'\n`)).length, caught ? 1 : 0, specifier)
    }
    assert.equal(deepImports(file('src/blob/a.ts', "import { x } from '../store/paths.ts'\n")).length, 1)
    assert.equal(deepImports(file('src/blob/a.ts', "import { x } from '../store/interface.ts'\n")).length, 1)
    assert.equal(deepImports(file('src/blob/a.ts', "import type { X } from '../store/interface.ts'\n")).length, 0)
  })

  it('catch circles of run-time imports, and let type imports pass', () => {
    const a = file('src/base/a.ts', "import { b } from './b.ts'\n")
    assert.deepEqual(importCycles([a, file('src/base/b.ts', "import { a } from './a.ts'\n")]), [
      ['src/base/a.ts', 'src/base/b.ts', 'src/base/a.ts'],
    ])
    assert.deepEqual(importCycles([a, file('src/base/b.ts', "import type { A } from './a.ts'\n")]), [])
  })

  it('catch libraries out of place and impure decisions', () => {
    const declared = new Set(['fastify', 'zod'])
    assert.equal(packageViolations(file('src/store/a.ts', "import { fastify } from 'fastify'\n"), declared).length, 1)
    assert.equal(packageViolations(file('src/admin/a.ts', "import { fastify } from 'fastify'\n"), declared).length, 0)
    assert.equal(packageViolations(file('src/admin/a.ts', "import x from 'left-pad'\n"), declared).length, 1)
    const impure = "import { open } from 'node:fs'\n// Date\nconst x = 'process' + Date.now() + Math.random()\n"
    assert.equal(impurities(file('src/scheduler/a.ts', impure)).length, 3)
    assert.equal(impurities(file('src/store/a.ts', impure)).length, 0)
  })

  it('catch exports that nobody imports', () => {
    const a = file('src/store/a.ts', 'export const used = 1\nexport interface Dead {}\nexport { x as y, z }\n')
    const b = file(
      'src/store/b.ts',
      "import { used } from './a.ts'\nexport type { y } from './a.ts'\nconst { z } = await import('./a.ts')\n",
    )
    assert.deepEqual(deadExports([a], [a, b]), ['src/store/a.ts: Dead'])
    assert.deepEqual(deadExports([a], [a, file('src/main.ts', "load(() => import('./store/a.ts'))\n")]), [])
  })

  it('catch time that is not the Clock, spread literals, and texts for errors', () => {
    const late = '// Date.now\nconst at = Date.now()\nconst now = performance.now\nconst day = new Date(at)\n'
    assert.equal(ownTimes(file('src/store/a.ts', late)).length, 2)
    assert.equal(ownTimes(file('src/base/clock.ts', late)).length, 0)
    const lines = "log({ err: errorText(e) })\nlog({ err: e.message })\nlog({ err: 'no' })\nlog({ err: error })\n"
    assert.equal(textsAsErrors(file('src/store/a.ts', lines)).length, 3)
    assert.equal(spreadLiterals(file('src/store/a.ts', 'const x = { ...{ a, b }, ...c, d }\n')).length, 1)
  })
})

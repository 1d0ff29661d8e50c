import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parse, stringify } from 'smol-toml'
import { isShoalError } from '../../../src/base/errors.ts'
import { setTomlKey } from '../../../src/setup/toml-text.ts'

const set = (text: string): string => setTomlKey('/etc/a.toml', text, ['a', 'b.c'], 'key', 'new')

describe('a key set in a TOML file', () => {
  const rows: readonly [name: string, before: string, after: string][] = [
    ['is added to its table', '[a."b.c"]\nx = 1\n\n[z]\n', '[a."b.c"]\n  key = "new"\nx = 1\n\n[z]\n'],
    [
      'replaces the old value, not what is behind it',
      "  [a.'b.c'] # t\n\tkey='old#' # k\n",
      '  [a.\'b.c\'] # t\n\tkey = "new" # k\n',
    ],
    [
      'is not taken for that of another table',
      '[a."b.c"]\n[a."b.c".d]\nkey = "old"\n',
      '[a."b.c"]\n  key = "new"\n[a."b.c".d]\nkey = "old"\n',
    ],
    ['brings its table', 'x = 1', 'x = 1\n\n[a."b.c"]\n  key = "new"\n'],
    [
      'is there already',
      'a = { "b.c" = { key = "new" } } # as I like it\n',
      'a = { "b.c" = { key = "new" } } # as I like it\n',
    ],
    [
      'goes to its table, not to one in a comment',
      '# [a."b.c"]\n[[r]]\n',
      '# [a."b.c"]\n[[r]]\n\n[a."b.c"]\n  key = "new"\n',
    ],
  ]
  for (const [name, before, after] of rows) it(name, () => assert.equal(set(before), after))

  const refused: readonly [name: string, text: string][] = [
    ['a text in the file looks like its table', "x = '''\n[a.\"b.c\"]\n'''\n[a.\"b.c\"]\ny = 1\n"],
    ['its table is written in another way', 'a."b.c".x = 1\n'],
    ['its table is in one line', 'a = { x = 1 }\n'],
    ['its table is something else', '[a]\n"b.c" = 1\n'],
    ['its old value takes several lines', '[a."b.c"]\nkey = [\n  1,\n]\n'],
  ]
  for (const [name, text] of refused) {
    it(`is left to a human where ${name}`, () => {
      const byHand = '[a."b.c"]\n  key = "new"'
      assert.throws(
        () => set(text),
        (error) => isShoalError(error, 'SETUP_REFUSED') && error.message.endsWith(byHand),
      )
    })
  }

  it('changes nothing else, whatever the file says', () => {
    const leaf = fc.oneof(fc.boolean(), fc.integer(), fc.string(), fc.array(fc.string()))
    const { tables } = fc.letrec<{ tables: Record<string, unknown> }>((tie) => ({
      tables: fc.dictionary(
        fc.constantFrom('a', 'b.c', 'key', 'x'),
        fc.oneof({ depthSize: 'small' }, leaf, tie('tables')),
      ),
    }))
    fc.assert(
      fc.property(tables, (value) => {
        const text = stringify(value)
        try {
          const edited = parse(set(text))
          const { a = {}, ...rest } = parse(text) as { a?: Record<string, object> }
          const wanted = { ...rest, a: { ...a, 'b.c': { ...a['b.c'], key: 'new' } } }
          assert.deepEqual(JSON.parse(JSON.stringify(edited)), JSON.parse(JSON.stringify(wanted)))
        } catch (error) {
          assert.ok(isShoalError(error, 'SETUP_REFUSED'), String(error))
        }
      }),
    )
  })

  it('is refused where tables are nested too deep to be compared', () => {
    assert.throws(
      () => set(`[${'z.'.repeat(5_000)}z]\nx = 1\n`),
      (error) => isShoalError(error, 'SETUP_REFUSED'),
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseJson } from '../../../src/base/json.ts'
import { execute } from '../../support/execute.ts'

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

describe('JSON from outside', () => {
  it('is read up to a depth that nothing has reason to reach', () => {
    assert.notEqual(parseJson(nested(1_000)), undefined)
    assert.equal(parseJson(nested(1_001)), undefined)
    assert.equal(parseJson('{"a":['.repeat(501)), undefined)
  })

  it('is not deep by what stands in its strings, or one after the other', () => {
    const text = JSON.stringify({ a: '['.repeat(5_000), b: `\\"${'{'.repeat(5_000)}`, '[': '"\\' })
    assert.deepEqual(parseJson(text), JSON.parse(text))
    assert.deepEqual(parseJson(`[${'[],'.repeat(5_000)}0]`), JSON.parse(`[${'[],'.repeat(5_000)}0]`))
    assert.equal(parseJson(`"${'['.repeat(5_000)}`), undefined)
  })

  it('that is deep and breaks off does not end the process', async () => {
    await execute(process.execPath, ['--expose-gc', '--input-type=module', '--eval', BREAKS_OFF])
  })
})

/** By JSON.parse alone this ends node 26.10 by a signal, every time. */
const BREAKS_OFF = `
  import { parseJson } from ${JSON.stringify(new URL('../../../src/base/json.ts', import.meta.url).href)}
  for (const text of ['[0,'.repeat(9_000) + '0]', '{"a":0,"b":'.repeat(9_000) + '0}']) {
    for (let round = 0; round < 300; round++) {
      parseJson(text)
      if (round % 10 === 0) globalThis.gc()
    }
  }
`

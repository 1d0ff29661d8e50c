import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isPattern, matchesPattern } from '../../../src/webhook/pattern.ts'

describe('patterns of names', () => {
  const cases = [
    ['team/app', 'team/app', true],
    ['team/app', 'team/apps', false],
    ['team/*', 'team/app', true],
    ['team/*', 'team/app/web', false],
    ['team/**', 'team/app/web', true],
    ['team/**', 'team', false],
    ['**', 'a/b/c', true],
    ['*', 'a/b', false],
    ['*', '', true],
    ['**/app', 'a/b/app', true],
    ['v*', 'v1.2', true],
    ['v1.2', 'v1x2', false],
    ['*-rc*', 'v1-rc', true],
    ['a*b*c', 'aXbYbZc', true],
    ['a*b*c', 'aXc', false],
  ] as const
  for (const [pattern, text, fits] of cases) {
    it(`${pattern} ${fits ? 'fits' : 'does not fit'} "${text}"`, () =>
      assert.equal(matchesPattern(pattern, text), fits))
  }

  it('take their time by their length only, whatever a sender names', () => {
    // Backtracking would not come to an end here.
    assert.equal(matchesPattern('**a'.repeat(80), `${'a'.repeat(254)}b`), false)
  })

  it('hold what names hold, and stars', () => {
    for (const text of ['team/**', 'v1.*', 'a_b-c']) assert.equal(isPattern(text), true, text)
    for (const text of ['', 'a b', 'a(b', 'a'.repeat(256), '[a]', 'é']) assert.equal(isPattern(text), false, text)
  })
})

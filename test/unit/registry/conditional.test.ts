import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/oci/digest.ts'
import { conditionalStatus, etagOf, ifRangeHolds, noneMatchHits } from '../../../src/registry/conditional.ts'

const DIGEST = digestOf(Buffer.from('content'))
const OTHER = digestOf(Buffer.from('other'))

describe('conditional requests', () => {
  const noneMatch: [header: string | undefined, hit: boolean][] = [
    [undefined, false],
    ['', false],
    [etagOf(DIGEST), true],
    [DIGEST, true],
    [`W/${etagOf(DIGEST)}`, true],
    [`w/${etagOf(DIGEST)}`, true],
    [`"x", ${etagOf(DIGEST)}`, true],
    [`${OTHER},${DIGEST}`, true],
    ['*', true],
    [etagOf(OTHER), false],
    [`"${DIGEST}`, false],
    [`"a", W/"b"`, false],
  ]
  for (const [header, hit] of noneMatch) {
    it(`If-None-Match ${header?.slice(0, 40)} is ${hit ? 'a hit' : 'a miss'}`, () => {
      assert.equal(noneMatchHits(header, DIGEST), hit)
    })
  }

  const match: [header: string | undefined, fails: boolean][] = [
    [undefined, false],
    ['*', false],
    [etagOf(DIGEST), false],
    [DIGEST, false],
    [`"x", ${etagOf(DIGEST)}`, false],
    [`W/${etagOf(DIGEST)}`, true],
    [etagOf(OTHER), true],
    ['', true],
  ]
  for (const [header, fails] of match) {
    it(`If-Match ${header?.slice(0, 40)} ${fails ? 'fails' : 'holds'}`, () => {
      assert.equal(conditionalStatus({ 'if-match': header }, DIGEST), fails ? 412 : undefined)
    })
  }

  const ifRange: [header: string | undefined, holds: boolean][] = [
    [undefined, true],
    [etagOf(DIGEST), true],
    [DIGEST, true],
    [`W/${etagOf(DIGEST)}`, false],
    [etagOf(OTHER), false],
    ['Wed, 21 Oct 2015 07:28:00 GMT', false],
    ['*', false],
  ]
  for (const [header, holds] of ifRange) {
    it(`If-Range ${header?.slice(0, 40)} ${holds ? 'keeps' : 'drops'} the range`, () => {
      assert.equal(ifRangeHolds(header, DIGEST), holds)
    })
  }
})

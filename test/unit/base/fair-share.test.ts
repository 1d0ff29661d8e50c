import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fairShare } from '../../../src/base/fair-share.ts'

const groupOf = (item: string): string | undefined => (item.startsWith('?') ? undefined : item[0])
const shares = { most: 4, perGroup: 2 }

test('a crowd that comes first leaves room for others', () => {
  assert.deepEqual(fairShare(['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'c2'], groupOf, shares), ['a1', 'a2', 'b1', 'c1'])
})

test('a crowd fills up what others leave', () => {
  assert.deepEqual(fairShare(['a1', 'a2', 'a3', 'a4', 'a5', 'b1'], groupOf, shares), ['a1', 'a2', 'b1', 'a3'])
})

test('what has no group is nobody’s crowd', () => {
  assert.deepEqual(fairShare(['?1', '?2', '?3', 'a1'], groupOf, shares), ['?1', '?2', '?3', 'a1'])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChallenges } from '../../../src/origin/www-authenticate.ts'

function plain(header: string | string[]) {
  return parseChallenges(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)])
}

test('commas inside quotes belong to the value', () => {
  const header = 'Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull,push"'
  assert.deepEqual(plain(header), [
    ['bearer', { realm: 'https://auth.example/token', service: 'r', scope: 'repository:a/b:pull,push' }],
  ])
})

test('several challenges are told apart, in one line or in several', () => {
  const expected = [
    ['basic', { realm: 'x' }],
    ['bearer', { realm: 'y', error: 'insufficient_scope' }],
  ]
  assert.deepEqual(plain('Basic realm="x", Bearer realm="y", error=insufficient_scope'), expected)
  assert.deepEqual(plain(['Basic realm="x"', 'Bearer realm="y",error="insufficient_scope"']), expected)
})

test('schemes and names are read in any case, with white space around "="', () => {
  assert.deepEqual(plain('BEARER  Realm = "y" , SERVICE=s'), [['bearer', { realm: 'y', service: 's' }]])
})

test('a scheme with a credential blob or nothing does not swallow the next one', () => {
  assert.deepEqual(plain('Negotiate YIIabc==, Basic realm="x"'), [
    ['negotiate', {}],
    ['basic', { realm: 'x' }],
  ])
  assert.deepEqual(plain('Negotiate, Basic realm="x"'), [
    ['negotiate', {}],
    ['basic', { realm: 'x' }],
  ])
})

test('escaped quotes are unescaped', () => {
  assert.deepEqual(plain('Basic realm="a \\"b\\" c"'), [['basic', { realm: 'a "b" c' }]])
})

test('what fits no grammar ends the list, without an error', () => {
  assert.deepEqual(plain('Basic realm="open'), [['basic', {}]])
  assert.deepEqual(plain('"nonsense"'), [])
  assert.deepEqual(plain(''), [])
  assert.deepEqual(parseChallenges(undefined), [])
})

test('a huge header is cut, not chewed through', () => {
  assert.ok(parseChallenges('Basic realm="x",'.repeat(100_000)).length < 1000)
})

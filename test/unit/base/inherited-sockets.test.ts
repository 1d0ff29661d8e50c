import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takeInheritedSockets } from '../../../src/base/inherited-sockets.ts'

for (const [what, env, expected] of [
  ['none without variables', {}, []],
  [
    'one, whatever its unit is called',
    { LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'x.socket' },
    [['mirror', 3]],
  ],
  [
    'several, by their names',
    { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'admin:mirror' },
    [
      ['admin', 3],
      ['mirror', 4],
    ],
  ],
  ['none that are meant for another process', { LISTEN_PID: '8', LISTEN_FDS: '1' }, []],
  ['none of a number that is none', { LISTEN_PID: '7', LISTEN_FDS: 'many' }, []],
] as const) {
  test(`inherited sockets: ${what}`, () => {
    const variables: NodeJS.ProcessEnv = { ...env, PATH: '/bin' }
    assert.deepEqual([...takeInheritedSockets(variables, 7)], expected)
    assert.deepEqual(variables, { PATH: '/bin' }, 'children do not see them')
  })
}

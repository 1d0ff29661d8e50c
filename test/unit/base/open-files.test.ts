import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  LEAST_OPEN_FILES,
  openFileLimit,
  requireOpenFiles,
  shareFiles,
  whenFilesAllow,
} from '../../../src/base/open-files.ts'

/** What every process has open before it does anything (`few-files.test.ts` looks at a real one). */
const AT_REST = 32

test('whatever the limit, the shares of all parts fit into it together', () => {
  for (let limit = LEAST_OPEN_FILES; limit < 100_000; limit = Math.ceil(limit * 1.1)) {
    const { content, mirror, admin, adminSocket, origin, peers } = shareFiles(limit)
    const sum = AT_REST + content + mirror + admin + adminSocket + origin + peers
    assert.ok(sum < limit, `${sum} of ${limit}`)
    for (const share of [content, mirror, admin, adminSocket, origin, peers]) assert.ok(share >= 2)
  }
  assert.equal(shareFiles(Number.POSITIVE_INFINITY).mirror, Number.POSITIVE_INFINITY)
})

test('a process that may open too few files is told how many it needs', () => {
  assert.throws(() => requireOpenFiles(shareFiles(LEAST_OPEN_FILES - 1)), {
    code: 'CONFIG_INVALID',
    message: /may have 63 files open, and needs 64 at least.*LimitNOFILE/,
  })
  requireOpenFiles(shareFiles(LEAST_OPEN_FILES))
})

test('the limit of open files is read, and where it is not said there is none', () => {
  assert.ok(openFileLimit() > 0)
  assert.equal(openFileLimit('/nowhere'), Number.POSITIVE_INFINITY)
})

test('what fails for want of files is tried again, and nothing else is', async () => {
  let tries = 0
  const failing = (code: string) => async (): Promise<string> => {
    if (++tries < 3) throw Object.assign(new Error(code), { code })
    return 'opened'
  }
  assert.equal(await whenFilesAllow(failing('EMFILE')), 'opened')
  tries = 0
  await assert.rejects(whenFilesAllow(failing('EACCES')), { code: 'EACCES' })
  assert.equal(tries, 1)
})

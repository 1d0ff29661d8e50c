import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/log.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { openOrigin } from '../../../src/origin/index.ts'
import { OriginTroubles } from '../../../src/origin/origin-trouble.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { deps } from './fixtures.ts'

const refused = new ShoalError('ORIGIN_UNREACHABLE', 'http://r cannot be reached: connect ECONNREFUSED 127.0.0.1:9')
const denied = new ShoalError('ORIGIN_DENIED', 'http://r refuses access (401)')

function open() {
  const lines: Record<string, unknown>[] = []
  const keep = (fields: object, message: string): void => void lines.push({ ...fields, message })
  const logger: Logger = { ...silentLogger, warn: keep, info: keep }
  const clock = new ManualClock()
  return {
    clock,
    lines,
    troubles: new OriginTroubles(clock, logger),
    origin: openOrigin({ kind: 'registry', url: 'http://r', access: 'public' }, deps),
  }
}

test('twenty failures of one kind are one line, which names the cause and the remedy', () => {
  const { lines, troubles, origin } = open()
  for (let i = 0; i < 20; i++) troubles.failed(origin, refused)
  assert.equal(lines.length, 1)
  assert.deepEqual(lines[0], {
    origin: 'registry http://r',
    state: 'unreachable',
    remedy: 'nothing listens there: check the address, and whether it runs',
    failures: 1,
    err: refused,
    message: 'an origin fails',
  })
  assert.equal(troubles.of(origin)?.failures, 20)
})

test('another kind is another line; the same is said again after a minute, and its end once', () => {
  const { clock, lines, troubles, origin } = open()
  troubles.failed(origin, refused)
  troubles.failed(origin, denied)
  assert.deepEqual(
    lines.map(({ state }) => state),
    ['unreachable', 'denied'],
  )
  clock.advance(61_000)
  troubles.failed(origin, denied)
  assert.equal(lines.length, 3)
  troubles.succeeded(origin)
  troubles.succeeded(origin)
  assert.equal(lines.length, 4)
  assert.equal(lines[3]?.message, 'an origin answers again')
  assert.equal(troubles.of(origin), undefined)
})

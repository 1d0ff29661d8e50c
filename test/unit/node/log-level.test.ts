import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogView } from '../../../src/admin/index.ts'
import { LogLevel } from '../../../src/node/log-level.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const MINUTE = 60_000

describe('a log level', () => {
  it('that was changed for a while returns by itself, and says so', () => {
    const clock = new ManualClock()
    const level = new LogLevel('info', clock)
    const told: LogView[] = []
    level.onChange = (view) => told.push(view)
    level.lendLevel('debug', 10 * MINUTE)
    assert.deepEqual([level.lets('debug'), level.logs().untilEpochMs], [true, 10 * MINUTE])
    clock.advance(10 * MINUTE - 1)
    assert.equal(level.lets('debug'), true)
    clock.advance(1)
    assert.deepEqual([level.lets('debug'), level.lets('info')], [false, true])
    assert.deepEqual(
      told.map((view) => view.level),
      ['debug', 'info'],
    )
  })

  it('that is changed again holds for the new while', () => {
    const clock = new ManualClock()
    const level = new LogLevel('info', clock)
    level.lendLevel('debug', MINUTE)
    level.lendLevel('warn', 3 * MINUTE)
    clock.advance(2 * MINUTE)
    assert.equal(level.logs().level, 'warn')
    clock.advance(MINUTE)
    assert.deepEqual(level.logs(), { level: 'info', configured: 'info', untilEpochMs: null })
  })

  it('is taken back by another one in the configuration, and not by the same', () => {
    const level = new LogLevel('info', new ManualClock())
    level.lendLevel('debug', MINUTE)
    level.configure('info')
    assert.equal(level.logs().level, 'debug')
    level.configure('warn')
    assert.deepEqual(level.logs(), { level: 'warn', configured: 'warn', untilEpochMs: null })
  })
})

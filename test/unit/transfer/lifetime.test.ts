import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../../src/base/errors.ts'
import { Lifetime } from '../../../src/transfer/lifetime.ts'

const never = new AbortController().signal

test('who waits for a change hears of it, of a failure, of the end, or that he himself has left', async () => {
  const life = new Lifetime()
  const changed = life.whenChanged(never)
  life.changed()
  await changed

  const left = new AbortController()
  const leaving = life.whenChanged(left.signal)
  left.abort(new Error('left'))
  await assert.rejects(leaving, /left/)

  const ended = life.whenChanged(never)
  life.close(new Error('over'))
  await assert.rejects(ended, /over/)
  await assert.rejects(life.whenChanged(never), /over/, 'nor does anybody wait for what has ended')
  assert.equal(await life.nextChange(60_000), false)
})

test('a failure is what all hear of who wait after it', async () => {
  const life = new Lifetime()
  const woken = life.whenChanged(never)
  life.fail(new ShoalError('CONTENT_CORRUPT', 'wrong'))
  await woken
  await assert.rejects(life.whenChanged(never), /wrong/)
})

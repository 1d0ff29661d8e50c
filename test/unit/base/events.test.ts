import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Events } from '../../../src/base/events.ts'
import { ManualClock } from '../../support/manual-clock.ts'

test('who comes late hears what is remembered, who comes back what it missed', () => {
  const events = new Events(new ManualClock())
  for (let i = 1; i <= 300; i++) events.publish('pull', { i })
  const ids = (since: number) => events.since(since).map(({ id }) => id)
  assert.deepEqual([ids(0)[0], ids(0).at(-1), ids(0).length], [45, 300, 256])
  assert.deepEqual(ids(298), [299, 300])
  assert.equal(ids(4_000).length, 256, 'an id of the process before')
})

test('listeners hear of what happens until they are disposed', () => {
  const events = new Events(new ManualClock())
  const heard: number[] = []
  {
    using _listening = events.listen(({ id }) => heard.push(id))
    events.publish('tier', {})
  }
  events.publish('tier', {})
  assert.deepEqual(heard, [1])
})

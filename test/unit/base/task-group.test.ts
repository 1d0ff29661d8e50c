import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { TaskGroup } from '../../../src/base/task-group.ts'
import { ManualClock } from '../../support/manual-clock.ts'

async function pass(clock: ManualClock, ms: number): Promise<void> {
  await turn()
  clock.advance(ms)
  await turn()
}

function group() {
  const lines: string[] = []
  const say = (level: string) => (fields: object, message: string) => {
    const { err } = fields as { err: Error }
    lines.push(`${level} ${message}: ${err.message}`)
  }
  return { lines, tasks: new TaskGroup({ error: say('error'), warn: say('warn') }) }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

test('work that ends by a fault says so, and never rejects', async () => {
  const { tasks, lines } = group()
  await tasks.run('the work has ended', async () => {
    throw new Error('disk gone')
  })
  assert.deepEqual(lines, ['error the work has ended: disk gone'])
  assert.equal(tasks.size, 0)
})

test('the end of the group ends all of its work, without a word, and waits for it', async () => {
  const { tasks, lines } = group()
  const ended: string[] = []
  void tasks.run('one', (signal) => untilAborted(signal).finally(() => ended.push('one')))
  void tasks.run('two', (signal) => untilAborted(signal).finally(() => ended.push('two')))
  assert.equal(tasks.size, 2)
  await tasks.stop()
  assert.deepEqual([ended, lines, tasks.size], [['one', 'two'], [], 0])
  let ran = false
  await tasks.run('three', async () => {
    ran = true
  })
  assert.ok(!ran, 'a group that was stopped runs nothing')
})

test('work that is begun while the group ends is waited for, too', async () => {
  const { tasks } = group()
  const order: string[] = []
  void tasks.run('first', async () => {
    await Promise.resolve()
    void tasks.run('second', async () => {
      await Promise.resolve()
      order.push('second')
    })
  })
  await tasks.settled()
  assert.deepEqual(order, ['second'])
})

test('a round that fails is told and the next is tried', async () => {
  const { tasks, lines } = group()
  const clock = new ManualClock()
  let rounds = 0
  tasks.loop('a round failed', { clock, firstAfterMs: 100, everyMs: 1_000 }, () => {
    rounds++
    if (rounds === 1) throw new Error('not yet')
  })
  assert.equal(rounds, 0)
  await pass(clock, 100)
  assert.deepEqual([rounds, lines], [1, ['warn a round failed: not yet']])
  await pass(clock, 1_000)
  await pass(clock, 1_000)
  assert.deepEqual([rounds, lines.length], [3, 1])
  await tasks.stop()
  await pass(clock, 5_000)
  assert.equal(rounds, 3)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from '../../../src/base/slots.ts'

test('no more run at once than there are slots, and who waits has its turn in order', async () => {
  const slots = new Slots(2)
  const order: number[] = []
  let [running, most] = [0, 0]
  const work = (i: number) => async (): Promise<void> => {
    most = Math.max(most, ++running)
    order.push(i)
    await new Promise((resolve) => setImmediate(resolve))
    running--
  }
  await Promise.all(Array.from({ length: 10 }, (_, i) => slots.run(work(i))))
  assert.deepEqual([most, order], [2, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]])
})

test('who gives up waiting takes no slot with it, whenever it does', async () => {
  const slots = new Slots(1)
  const held = await slots.take()
  const [early, late] = [new AbortController(), new AbortController()]
  const given = [slots.take(early.signal), slots.take(late.signal)].map((taking) => taking.catch((error) => error))
  early.abort(new Error('enough'))
  held[Symbol.dispose]()
  held[Symbol.dispose]()
  late.abort(new Error('too late, or just in time'))
  const [first, second] = await Promise.all(given)
  assert.equal((first as Error).message, 'enough')
  if (!(second instanceof Error)) (second as Disposable)[Symbol.dispose]()
  await slots.run(async () => {})
})

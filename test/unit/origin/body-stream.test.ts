import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { isShoalError } from '../../../src/base/errors.ts'
import { bodyChunks, collect, exactBytes } from '../../../src/origin/body-stream.ts'
import { bytesToSkip, parseContentRange } from '../../../src/origin/range-answer.ts'
import { never, readAll } from './fixtures.ts'

const options = { clock: systemClock, stallMs: 60_000, signal: never, place: 'here' }

async function* chunksOf(...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

test('the prefix is skipped and the rest cut, wherever the chunks fall', async () => {
  for (const chunks of [['abcdefghij'], ['a', 'bc', 'defg', 'hij'], ['abc', 'defghi', 'j'], [...'abcdefghij']]) {
    const exact = exactBytes(chunksOf(...chunks), { skip: 3, length: 4, place: 'here' })
    assert.equal((await readAll(exact)).toString(), 'defg')
  }
})

test('short body: an early end is an error, not a short result', async () => {
  await assert.rejects(readAll(exactBytes(chunksOf('abc', 'd'), { skip: 1, length: 4, place: 'here' })), (error) =>
    isShoalError(error, 'ORIGIN_UNREACHABLE'),
  )
})

test('a surplus is not read', async () => {
  let left = false
  async function* endless(): AsyncIterable<Uint8Array> {
    try {
      for (;;) yield Buffer.from('abc')
    } finally {
      left = true
    }
  }
  assert.equal((await readAll(exactBytes(endless(), { skip: 1, length: 4, place: 'here' }))).toString(), 'bcab')
  assert.ok(left)
})

test('leaving the loop early destroys the body', async () => {
  const body = new Readable({ read() {} })
  body.push('abc')
  for await (const _chunk of bodyChunks(body, options)) break
  assert.ok(body.destroyed)
})

test('an abort ends a waiting reader with the reason it was given, and destroys the body', async () => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const body = new Readable({ read() {} })
  const reading = readAll(bodyChunks(body, { ...options, signal: controller.signal }))
  controller.abort(reason)
  await assert.rejects(reading, reason)
  assert.ok(body.destroyed)
})

test('an abort destroys a body that nobody started to read', () => {
  const controller = new AbortController()
  const body = new Readable({ read() {} })
  bodyChunks(body, { ...options, signal: controller.signal })
  controller.abort()
  assert.ok(body.destroyed)
})

test('stalled body: silence is given up, but a slow reader is not silence', async () => {
  const body = new Readable({ read() {} })
  for (const text of ['a', 'b']) body.push(text)
  const seen: string[] = []
  const reading = (async () => {
    for await (const chunk of bodyChunks(body, { ...options, stallMs: 40 })) {
      seen.push(Buffer.from(chunk).toString())
      // Longer than the stall limit, with more data waiting.
      if (seen.length === 1) await new Promise((resolve) => setTimeout(resolve, 120))
    }
  })()
  await assert.rejects(reading, (error) => isShoalError(error, 'ORIGIN_UNREACHABLE') && /nothing/.test(error.message))
  assert.equal(seen.join(''), 'ab')
})

test('collect stops as soon as there is too much', async () => {
  assert.equal(await collect(chunksOf('abc', 'd'), 3), 'too large')
  assert.equal(Buffer.from((await collect(chunksOf('ab', 'c'), 3)) as Uint8Array).toString(), 'abc')
})

test('Content-Range is parsed strictly', () => {
  assert.deepEqual(parseContentRange('bytes 5-9/20'), { start: 5, end: 10, size: 20 })
  assert.deepEqual(parseContentRange('bytes 5-9/*'), { start: 5, end: 10, size: undefined })
  for (const text of ['', 'bytes */20', 'bytes 5-/20', 'items 1-2/3', 'bytes 1-2/3, bytes 4-5/6']) {
    assert.equal(parseContentRange(text), undefined, text)
  }
})

test('an answer that cannot hold the range is refused, one of another size is a change', () => {
  const expected = { range: { start: 10, end: 20 }, size: 100, maxSkipBytes: 50, place: 'here' }
  const partial = (contentRange: string | undefined) => ({ status: 206, contentRange, contentLength: 10 })
  const whole = (contentLength: number | undefined) => ({ status: 200, contentRange: undefined, contentLength })
  assert.equal(bytesToSkip(partial('bytes 10-19/100'), expected), 0)
  assert.equal(bytesToSkip(partial('bytes 0-99/100'), expected), 10)
  assert.equal(bytesToSkip(whole(100), expected), 10)
  assert.equal(bytesToSkip(whole(undefined), expected), 10)
  const unreachable = (error: unknown) => isShoalError(error, 'ORIGIN_UNREACHABLE')
  const changed = (error: unknown) => isShoalError(error, 'ORIGIN_CHANGED')
  assert.throws(() => bytesToSkip(partial(undefined), expected), unreachable)
  assert.throws(() => bytesToSkip(partial('bytes 11-19/100'), expected), unreachable)
  assert.throws(() => bytesToSkip(partial('bytes 10-18/100'), expected), unreachable)
  assert.throws(() => bytesToSkip(partial('bytes 10-19/101'), expected), changed)
  assert.throws(() => bytesToSkip(whole(99), expected), changed)
  assert.throws(() => bytesToSkip(whole(100), { ...expected, range: { start: 60, end: 70 } }), unreachable)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FrameDecoder, LENGTH_BYTES } from '../../../src/swarm/frame-decoder.ts'
import { encodeFrame } from '../../../src/swarm/wire.ts'
import { binaryMessage, cut, framed } from '../../fuzz/wire-values.ts'
import { frameOf, read } from '../../support/said.ts'

/** What a decoder may hold for nothing: its first buffer. */
const CONSTANT_BYTES = 4 * 1024

const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 40_000 })), { minLength: 1 })
const body = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 60 }),
  fc.integer({ min: 1, max: 60_000 }).map((length) => new Uint8Array(length).fill(length)),
)

test('frames come out as they went in however the stream is cut, and what is held is what has come', () => {
  fc.assert(
    fc.property(fc.array(body, { maxLength: 8 }), cuts, (bodies, lengths) => {
      const decoder = new FrameDecoder(60_000)
      const found: Uint8Array[] = []
      let since = 0
      for (const chunk of cut(Buffer.concat(bodies.map(framed)), lengths)) {
        since += chunk.length
        for (const frame of decoder.push(chunk)) {
          found.push(new Uint8Array(frame))
          since = chunk.length
        }
        assert.ok(decoder.heldBytes <= 2 * since + CONSTANT_BYTES, `${decoder.heldBytes} held of ${since}`)
      }
      assert.deepEqual(found, bodies)
      assert.equal(decoder.heldBytes, 0)
    }),
  )
})

test('a binary message is read as it was written', () => {
  fc.assert(
    fc.property(binaryMessage, (message) => {
      const frame = frameOf(message)
      assert.deepEqual(read(encodeFrame(frame).subarray(LENGTH_BYTES)), frame)
    }),
  )
})

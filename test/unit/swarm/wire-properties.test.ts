import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from 'cborg'
import fc from 'fast-check'
import { isShoalError } from '../../../src/base/errors.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { FrameDecoder, LENGTH_BYTES } from '../../../src/swarm/frame-decoder.ts'
import { UplinkDecoder } from '../../../src/swarm/uplink-records.ts'
import { encodeFrame } from '../../../src/swarm/wire.ts'
import { MAX_FRAME_BYTES, PIECE_TLS, WIRE_LIMITS } from '../../../src/swarm/wire-limits.ts'
import type { Binary } from '../../support/said.ts'
import { frameOf, read } from '../../support/said.ts'

/** What a decoder may hold for nothing: its first buffer. */
const CONSTANT_BYTES = 4 * 1024

function framed(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES + body.length)
  new DataView(bytes.buffer).setUint32(0, body.length)
  bytes.set(body, LENGTH_BYTES)
  return bytes
}

/** The stream in pieces of these lengths, over and over. */
function* cut(stream: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < stream.length; i++) {
    const length = lengths[i % lengths.length] ?? 1
    yield stream.slice(at, at + length)
    at += length
  }
}

const someBytes = fc.uint8Array({ maxLength: 300 })
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

test('whatever comes, a decoder holds no more than twice of it, and says nothing but PEER_PROTOCOL', () => {
  const promises = fc
    .tuple(fc.integer({ min: 0, max: 2 * MAX_FRAME_BYTES }), fc.uint8Array({ maxLength: 20_000 }))
    .map(([length, rest]) => {
      const bytes = framed(rest)
      new DataView(bytes.buffer).setUint32(0, length)
      return bytes
    })
  fc.assert(
    fc.property(fc.oneof(someBytes, promises), cuts, (stream, lengths) => {
      const decoder = new FrameDecoder(MAX_FRAME_BYTES)
      let come = 0
      orRefused(() => {
        for (const chunk of cut(stream, lengths)) {
          come += chunk.length
          for (const _ of decoder.push(chunk));
          assert.ok(decoder.heldBytes <= 2 * come + CONSTANT_BYTES, `${decoder.heldBytes} held of ${come}`)
        }
      })
    }),
  )
})

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const piece = fc.integer({ min: 0, max: WIRE_LIMITS.pieces - 1 })
const hex = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((hash) => Buffer.from(hash).toString('hex'))
const blob = fc.oneof(
  hex(32).map((hash) => `sha256:${hash}` as Digest),
  hex(64).map((hash) => `sha512:${hash}` as Digest),
)
const ofType = <T extends string>(type: T): fc.Arbitrary<T> => fc.constant(type)
const PLAIN = { noNullPrototype: true } as const
const binaryMessage: fc.Arbitrary<Binary> = fc.oneof(
  fc.record({ type: ofType('have'), blob, pieces: fc.array(piece, { maxLength: 50 }), queue: u32 }, PLAIN),
  fc.record({ type: ofType('request'), id: u32, blob, piece, background: fc.boolean() }, PLAIN),
  fc.record(
    {
      type: ofType('want'),
      ids: fc.array(u32, { minLength: 1, maxLength: WIRE_LIMITS.wants }),
      blob,
      background: fc.boolean(),
      wanted: someBytes,
    },
    PLAIN,
  ),
  fc.record({ type: ofType('cancel'), id: u32 }, PLAIN),
  fc.record({ type: ofType('busy'), id: u32, queue: u32 }, PLAIN),
)

test('a binary message is read as it was written', () => {
  fc.assert(
    fc.property(binaryMessage, (message) => {
      const frame = frameOf(message)
      assert.deepEqual(read(encodeFrame(frame).subarray(LENGTH_BYTES)), frame)
    }),
  )
})

/** Bodies near to valid ones: binary messages, frames of any name with anything in them, their bytes changed or cut. */
const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    ...[fc.integer(), fc.boolean(), fc.constant(null), fc.string({ maxLength: 20 }), someBytes],
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie('value'), { maxKeys: 5 }),
  ),
})).value
const named = fc.constantFrom('hello', 'about', 'call', 'answer', 'message', 'shout')
const frameLike = fc
  .record({
    frame: named,
    id: u32,
    name: fc.constantFrom('join', 'tags', 'prewarm', 'guess'),
    args: anything,
    message: fc.record({ type: fc.constantFrom('bitfield', 'hashes', 'letter', 'cancel', 'shout'), blob: anything }),
    result: anything,
    proof: anything,
    speaks: anything,
  })
  .map((value) => new Uint8Array(encode(value)))
const binaryBody = binaryMessage.map((message) => new Uint8Array(encodeFrame(frameOf(message))).subarray(LENGTH_BYTES))
const damaged = fc
  .tuple(
    fc.oneof(frameLike, binaryBody),
    fc.array(fc.tuple(fc.nat(), fc.integer({ max: 255, min: 0 })), { maxLength: 3 }),
  )
  .map(([bytes, changes]) => {
    const changed = bytes.slice()
    for (const [at, value] of changes) changed[at % changed.length] = value
    return changed
  })
const tagged = fc.tuple(fc.integer({ min: 0, max: 255 }), someBytes).map(([tag, rest]) => Uint8Array.of(tag, ...rest))

test('no body makes the decoder throw anything but PEER_PROTOCOL, or return more than there was', () => {
  fc.assert(
    fc.property(fc.oneof(damaged, frameLike, tagged, someBytes), (bytes) => {
      orRefused(() => {
        const frame = read(bytes)
        // a digest is twice as long in hex, and has a name; keys and names of ours come on top
        assert.ok(weightOf(frame) <= 3 * bytes.length + 200, `${weightOf(frame)} of ${bytes.length}`)
      })
    }),
    { numRuns: 2_000 },
  )
})

test('what the reader of a TLS connection says is taken apart however it is cut, or refused', () => {
  fc.assert(
    fc.property(someBytes, cuts, (stream, lengths) => {
      let controlBytes = 0
      const decoder = new UplinkDecoder({
        credit: (bytes) => assert.ok(bytes >= 0 && bytes < 0x8000_0000),
        control: (bytes) => {
          controlBytes += bytes.length
        },
      })
      orRefused(() => {
        for (const chunk of cut(stream, lengths)) decoder.push(chunk)
      })
      assert.ok(controlBytes <= Math.min(stream.length, PIECE_TLS.maxChunkBytes * stream.length))
    }),
  )
})

/** Elements, characters and bytes of a value. */
function weightOf(value: unknown): number {
  if (value instanceof Uint8Array || typeof value === 'string') return value.length
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + 1 + weightOf(one), 0)
  if (typeof value !== 'object' || value === null) return 1
  return Object.entries(value).reduce((sum, [key, one]) => sum + key.length + weightOf(one), 0)
}

function orRefused(run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!isShoalError(error, 'PEER_PROTOCOL')) throw error
  }
}

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeMessage, decodeRequest, decodeResponse } from '../../../src/orders/codec.ts'
import { PREWARM_WORDS } from '../../../src/prewarm/requests.ts'
import { PURGE_WORDS } from '../../../src/purge/words.ts'
import { FrameDecoder } from '../../../src/swarm/frame-decoder.ts'
import type { PieceSink } from '../../../src/swarm/index.ts'
import { encodePieceHeader, PIECE_HEADER_BYTES } from '../../../src/swarm/piece-frame.ts'
import { PieceReceiver } from '../../../src/swarm/piece-receiver.ts'
import { chunkHead, creditRecord, UplinkDecoder } from '../../../src/swarm/uplink-records.ts'
import { parseResult } from '../../../src/swarm/wire.ts'
import { MAX_FRAME_BYTES } from '../../../src/swarm/wire-limits.ts'
import { read } from '../../support/said.ts'
import { near } from '../damage.ts'
import type { Target } from '../target.ts'
import { valueFor } from '../values.ts'
import { binaryBody, cborBody, cut, framed, REQUESTS, someBytes } from '../wire-values.ts'

/** What a decoder may hold for nothing: its first buffer. */
const CONSTANT_BYTES = 4 * 1024

/** Smaller ones of a long stream cost more than what is in it. */
const MOST_CHUNKS = 512

/** The first byte says how the rest is cut into chunks: an odd one into pieces of that length. */
const cutStream = (stream: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc.tuple(fc.nat({ max: 255 }), stream).map(([how, bytes]) => Uint8Array.of(how, ...bytes))

function chunksOf([how = 0, ...rest]: Uint8Array): Generator<Uint8Array> {
  const length = how % 2 === 1 ? how : rest.length
  return cut(Uint8Array.from(rest), [Math.max(length, Math.ceil(rest.length / MOST_CHUNKS), 1)])
}

/** Whatever comes, a decoder holds no more than twice of it. */
export const frames: Target = {
  what: 'a control stream: frames by their lengths, however it is cut',
  input: near(
    cutStream(fc.array(fc.oneof(binaryBody, cborBody), { maxLength: 4 }).map((all) => Buffer.concat(all.map(framed)))),
  ),
  refusals: ['PEER_PROTOCOL'],
  read(bytes) {
    const decoder = new FrameDecoder(MAX_FRAME_BYTES)
    let come = 0
    let frames = 0
    for (const chunk of chunksOf(bytes)) {
      come += chunk.length
      for (const frame of decoder.push(chunk)) {
        read(frame)
        frames++
      }
      assert.ok(decoder.heldBytes <= 2 * come + CONSTANT_BYTES, `${decoder.heldBytes} held of ${come}`)
    }
    return frames > 0 ? frames : undefined
  },
}

export const hotMessages: Target = {
  what: 'messages with a layout of their own: have, request, want, cancel, busy',
  input: near(
    fc.oneof(
      { weight: 4, arbitrary: binaryBody },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.nat({ max: 255 }), someBytes).map(([tag, rest]) => Uint8Array.of(tag, ...rest)),
      },
    ),
  ),
  refusals: ['PEER_PROTOCOL'],
  read: readBody,
}

export const messages: Target = {
  what: 'all messages, requests and responses in CBOR, by their schemas',
  input: near(cborBody),
  refusals: ['PEER_PROTOCOL'],
  read(bytes) {
    const frame = readBody(bytes)
    if (frame?.frame !== 'answer') return frame
    const request = REQUESTS[frame.id % REQUESTS.length]
    return request === undefined ? undefined : parseResult(request, frame.result)
  },
}

/** Nothing is made of a body that is much more than the body. */
function readBody(bytes: Uint8Array) {
  const frame = read(bytes)
  // a digest is twice as long in hex, and has a name; keys and names of ours come on top
  const weight = weightOf(frame.frame === 'message' ? frame.body : frame)
  assert.ok(weight <= 3 * bytes.length + 200, `${weight} of ${bytes.length}`)
  return frame.frame === 'unknown' ? undefined : frame
}

/** Elements, characters and bytes of a value. */
function weightOf(value: unknown): number {
  if (value instanceof Uint8Array || typeof value === 'string') return value.length
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + 1 + weightOf(one), 0)
  if (typeof value !== 'object' || value === null) return 1
  return Object.entries(value).reduce((sum, [key, one]) => sum + key.length + weightOf(one), 0)
}

const u31 = fc.oneof(fc.nat({ max: 600 }), fc.nat())
const uplinkRecord = fc.oneof(
  u31.map((bytes) => creditRecord(bytes)),
  fc.uint8Array({ minLength: 1, maxLength: 600 }).map((chunk) => Buffer.concat([chunkHead(chunk.length), chunk])),
)

export const uplink: Target = {
  what: 'what the reader of a TLS connection says: credits, and the control stream in chunks',
  input: near(cutStream(fc.array(uplinkRecord, { maxLength: 6 }).map((all) => Buffer.concat(all)))),
  refusals: ['PEER_PROTOCOL'],
  read(bytes) {
    let controlBytes = 0
    let said = 0
    const decoder = new UplinkDecoder({
      credit: (credit) => {
        said++
        assert.ok(credit >= 0 && credit < 0x8000_0000)
      },
      control: (chunk) => {
        said++
        controlBytes += chunk.length
      },
    })
    for (const chunk of chunksOf(bytes)) decoder.push(chunk)
    assert.ok(controlBytes <= bytes.length)
    return said > 0 ? said : undefined
  },
}

const PIECE_BYTES = 100
const pieceFrame = fc
  .tuple(fc.nat({ max: 2 }), fc.constantFrom(0, 0, 0, 1), fc.constantFrom(0, PIECE_BYTES, PIECE_BYTES, 1 << 30))
  .map(([id, off, length]) => {
    const frame = new Uint8Array(PIECE_HEADER_BYTES + (length === PIECE_BYTES ? PIECE_BYTES : 0))
    encodePieceHeader({ id, piece: id + off, length }, frame)
    return frame
  })

/** What was not asked for ends nowhere, and no piece ends that has not come whole. */
export const pieces: Target = {
  what: 'a piece stream: headers, and the pieces behind them',
  input: near(cutStream(fc.array(pieceFrame, { maxLength: 6 }).map((all) => Buffer.concat(all)))),
  refusals: ['PEER_PROTOCOL'],
  read(bytes) {
    const expected = new Map<number, PieceSink>()
    let ended = 0
    const sink = (id: number): PieceSink => ({
      begin: (piece) => (piece === id ? new Uint8Array(PIECE_BYTES) : undefined),
      progress: (held) => assert.ok(held <= PIECE_BYTES),
      end: () => {
        ended++
        expected.delete(id)
      },
    })
    for (const id of [1, 2]) expected.set(id, sink(id))
    const receiver = new PieceReceiver(expected)
    for (const chunk of chunksOf(bytes)) receiver.push(chunk)
    assert.ok(ended * PIECE_BYTES <= bytes.length)
    return ended > 0 ? ended : undefined
  },
}

const ORDER_MESSAGES = { ...PREWARM_WORDS.messages, ...PURGE_WORDS.messages }
const ORDER_REQUESTS = { ...PREWARM_WORDS.requests, ...PURGE_WORDS.requests }
type RequestName = keyof typeof ORDER_REQUESTS
const json = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Uint8Array> =>
  value.map((one) => new Uint8Array(Buffer.from(JSON.stringify(one) ?? '')))
const NAMES = Object.keys(ORDER_REQUESTS) as RequestName[]

export const prewarmMessages: Target = {
  what: 'messages and requests of prewarm jobs and purges',
  input: near(
    json(
      fc.oneof(
        ...Object.entries(ORDER_MESSAGES).map(([kind, { body }]) =>
          valueFor(body).map((value) => Object.assign({}, value, { kind })),
        ),
        ...NAMES.map((name) =>
          fc.tuple(fc.nat({ max: 17 }), valueFor(ORDER_REQUESTS[name].ask)).map(([hops, ask]) => ({ name, hops, ask })),
        ),
      ),
    ),
  ),
  refusals: [],
  read: (bytes) => decodeMessage(ORDER_MESSAGES, bytes) ?? decodeRequest(ORDER_REQUESTS, bytes),
}

/** The first byte says which request it is that was asked. */
export const prewarmResponses: Target = {
  what: 'responses to requests about prewarm jobs and purges',
  input: near(
    fc
      .oneof(
        ...NAMES.map((name, i) =>
          json(valueFor(ORDER_REQUESTS[name].response).map((value) => ({ value }))).map((bytes) => [i, bytes] as const),
        ),
      )
      .map(([i, bytes]) => Uint8Array.of(i, ...bytes)),
  ),
  refusals: ['PREWARM_INVALID', 'PREWARM_IMPOSSIBLE', 'PREWARM_UNKNOWN', 'ORDER_REQUIRED', 'UNAVAILABLE'],
  read: (bytes) => decodeResponse(ORDER_REQUESTS, NAMES[(bytes[0] ?? 0) % NAMES.length]!, bytes.subarray(1)),
}

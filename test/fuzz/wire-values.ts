import { encode } from 'cborg'
import fc from 'fast-check'
import type { Digest } from '../../src/oci/digest.ts'
import { isBinary } from '../../src/swarm/binary.ts'
import { LENGTH_BYTES } from '../../src/swarm/frame-decoder.ts'
import type { Message, Request } from '../../src/swarm/index.ts'
import { encodeFrame } from '../../src/swarm/wire.ts'
import { WIRE_LIMITS } from '../../src/swarm/wire-limits.ts'
import type { Binary } from '../support/said.ts'
import { frameOf, SPOKEN } from '../support/said.ts'
import { valueFor } from './values.ts'

export const someBytes = fc.uint8Array({ maxLength: 300 })
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

/** A message with a layout of its own, as its sender has it. */
export const binaryMessage: fc.Arbitrary<Binary> = fc.oneof(
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

/** The body of a binary message's frame. */
export const binaryBody = binaryMessage.map((message) => bodyOf(encodeFrame(frameOf(message))))

const DEFINITIONS: readonly (Message | Request)[] = Object.values(SPOKEN)
/** In a fixed order: which of them a response is for is told by its id. */
export const REQUESTS: readonly Request[] = DEFINITIONS.filter((one) => 'response' in one)

const messageBody = fc.oneof(
  ...DEFINITIONS.flatMap((one) => {
    if ('response' in one || isBinary(one.form)) return []
    return [
      valueFor(one.form).map((body) => ({ frame: 'message', message: Object.assign({}, body, { type: one.name }) })),
    ]
  }),
)
const requestBody = fc.oneof(
  ...REQUESTS.map(({ name, body }) =>
    fc.tuple(u32, valueFor(body)).map(([id, args]) => ({ frame: 'call', id, name, args })),
  ),
)
const refusal = fc.record(
  {
    kind: fc.constant('refused'),
    reason: fc.constantFrom('unknown', 'denied', 'unavailable', 'later'),
    message: fc.string({ maxLength: 20 }),
    source: fc.constantFrom('alive', 'gone', undefined, 7),
  },
  PLAIN,
)
const responseBody = fc.oneof(
  ...REQUESTS.map(({ response }, id) =>
    fc.oneof(
      { weight: 5, arbitrary: valueFor(response).map((result) => ({ frame: 'answer', id, result })) },
      { weight: 1, arbitrary: refusal.map((result) => ({ frame: 'answer', id, result })) },
    ),
  ),
)
const PLAIN_FRAMES = [
  { frame: 'hello', version: 3, min: 2, max: 4, proof: new Uint8Array(32) },
  {
    frame: 'about',
    role: 'cache',
    roleProof: new Uint8Array(64),
    region: 'eu-1',
    zone: null,
    addresses: ['10.0.0.1:7071', '[fd00::1]:7071'],
    software: 'shoal',
    observed: '10.0.0.9',
    rank: 'r1',
    tls: { certificate: new Uint8Array(32), token: new Uint8Array(16) },
    certificate: new Uint8Array(300),
    proof: new Uint8Array(64),
    revocations: [{ authority: 'ab'.repeat(32), issuedAtMs: 1_700_000_000_000 }],
    cacheKeys: ['k1'],
    speaks: ['join', 'have', 'envelopes'],
  },
  { frame: 'bye', reason: 'full', clone: true },
  { frame: 'ping' },
  { frame: 'moved' },
  { frame: 'abandon', id: 7 },
  { frame: 'later', id: 7 },
]

/** The bodies of frames in CBOR: all messages and requests that a daemon knows, responses to them, and the link's own. */
export const cborBody: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    { weight: 4, arbitrary: messageBody },
    { weight: 4, arbitrary: requestBody },
    { weight: 4, arbitrary: responseBody },
    { weight: 1, arbitrary: fc.constantFrom(...PLAIN_FRAMES) },
  )
  .map((frame) => new Uint8Array(encode(frame, { ignoreUndefinedProperties: true })))

/** A body with its length in front. */
export function framed(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES + body.length)
  new DataView(bytes.buffer).setUint32(0, body.length)
  bytes.set(body, LENGTH_BYTES)
  return bytes
}

/** A stream in pieces of these lengths, over and over. */
export function* cut(stream: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < stream.length; i++) {
    const length = lengths[i % lengths.length] ?? 1
    yield stream.slice(at, at + length)
    at += length
  }
}

function bodyOf(frame: Uint8Array): Uint8Array {
  return new Uint8Array(frame).subarray(LENGTH_BYTES)
}

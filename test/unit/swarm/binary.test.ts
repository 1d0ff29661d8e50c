import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from 'cborg'
import type { Rng } from '../../../src/base/rng.ts'
import { seededRng } from '../../../src/base/rng.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { requireDigest } from '../../../src/oci/digest.ts'
import { encodeFrame } from '../../../src/swarm/wire.ts'
import { WIRE_LIMITS } from '../../../src/swarm/wire-limits.ts'
import type { Binary } from '../../support/said.ts'
import { frameOf, read as readFrame, said } from '../../support/said.ts'

const LENGTH_BYTES = 4
const BLOB = requireDigest(`sha256:${'ab'.repeat(32)}`)
const LONG_BLOB = requireDigest(`sha512:${'cd'.repeat(64)}`)
const SHA256 = `01${'ab'.repeat(32)}`
const SHA512 = `02${'cd'.repeat(64)}`
const LAST_PIECE = WIRE_LIMITS.pieces - 1

/** Every binary message, field by field, as it has been since version 2. Changing one needs a new version. */
const GOLDEN: readonly (readonly [string, Binary, string])[] = [
  [
    'have',
    { type: 'have', blob: BLOB, pieces: [0, 24, 300], queue: 2 },
    `01 ${SHA256} 00000002 00000003 00000000 00000018 0000012c`,
  ],
  ['have of nothing', { type: 'have', blob: BLOB, pieces: [], queue: 7 }, `01 ${SHA256} 00000007 00000000`],
  [
    'have of a blob by sha512',
    { type: 'have', blob: LONG_BLOB, pieces: [LAST_PIECE], queue: 0 },
    `01 ${SHA512} 00000000 00000001 0003ffff`,
  ],
  ['request', { type: 'request', id: 9, blob: BLOB, piece: 3, background: true }, `02 00000009 ${SHA256} 00000003 01`],
  [
    'want',
    { type: 'want', ids: [9, 0xffff_ffff], blob: BLOB, background: false, wanted: Uint8Array.of(255, 1) },
    `03 ${SHA256} 00 00000002 00000009 ffffffff 00000002 ff01`,
  ],
  ['cancel', { type: 'cancel', id: 9 }, '04 00000009'],
  ['busy', { type: 'busy', id: 9, queue: 4 }, '05 00000009 00000004'],
]

for (const [name, message, golden] of GOLDEN) {
  test(`${name} has its golden bytes and is read back`, () => {
    const bytes = Buffer.from(encodeFrame(frameOf(message)))
    assert.equal(bytes.toString('hex', LENGTH_BYTES), golden.replaceAll(' ', ''))
    assert.equal(bytes.readUInt32BE(0), bytes.length - LENGTH_BYTES)
    assert.deepEqual(read(bodyOf(message)), message)
  })

  test(`${name} cut short anywhere, or with a byte more, is a protocol error`, () => {
    const body = bodyOf(message)
    for (let length = 0; length < body.length; length++) refused(body.subarray(0, length), `${length} bytes`)
    refused(Buffer.concat([body, Uint8Array.of(0)]), 'a byte more')
  })

  test(`${name} in CBOR is a protocol error`, () => {
    refused(encode({ frame: 'message', message }), name)
  })
}

test('messages as large as they may be are read back', () => {
  const messages: readonly Binary[] = [
    { type: 'have', blob: BLOB, pieces: new Array(WIRE_LIMITS.haves).fill(LAST_PIECE), queue: 0xffff_ffff },
    { type: 'request', id: 0xffff_ffff, blob: LONG_BLOB, piece: LAST_PIECE, background: true },
    {
      type: 'want',
      ids: new Array(WIRE_LIMITS.wants).fill(0xffff_ffff),
      blob: LONG_BLOB,
      background: true,
      wanted: new Uint8Array(WIRE_LIMITS.bitsBytes).fill(255),
    },
  ]
  for (const message of messages) assert.deepEqual(read(bodyOf(message)), message)
})

test('random messages are read back', () => {
  for (let seed = 1; seed <= 500; seed++) {
    const message = randomMessage(seededRng(seed))
    assert.deepEqual(read(bodyOf(message)), message, `seed ${seed}`)
  }
})

/** Whole bodies with one thing wrong. */
const INVALID: readonly (readonly [string, string])[] = [
  ['a have of a piece too far', `01 ${SHA256} 00000000 00000001 00040000`],
  ['a have of too many pieces', `01 ${SHA256} 00000000 00001001 ${'00000001'.repeat(4097)}`],
  ['a have that promises too much', `01 ${SHA256} 00000000 ffffffff`],
  ['a have that names fewer pieces than follow', `01 ${SHA256} 00000000 00000001 00000001 00000002`],
  ['a have that names more pieces than follow', `01 ${SHA256} 00000000 00000002 00000001`],
  ['a request for a piece too far', `02 00000009 ${SHA256} 00040000`],
  ['a want by nobody', `03 ${SHA256} 00000000 00000001 ff`],
  ['a want by too many ids', `03 ${SHA256} 00000021 ${'00000009'.repeat(33)} 00000001 ff`],
  ['a want of more bits than follow', `03 ${SHA256} 00000001 00000009 00000002 ff`],
  ['a want of fewer bits than follow', `03 ${SHA256} 00000001 00000009 00000001 ffff`],
  ['a want of too many bits', `03 ${SHA256} 00000001 00000009 00008001 ${'ff'.repeat(32_769)}`],
  ['a want that promises too much', `03 ${SHA256} 00000001 00000009 ffffffff`],
  ['an algorithm nobody has', `02 00000009 00${'ab'.repeat(32)} 00000003`],
  ['another algorithm nobody has', `02 00000009 03${'ab'.repeat(32)} 00000003`],
  ['a sha256 of sha512 length', `02 00000009 01${'ab'.repeat(64)} 00000003`],
  ['a sha512 of sha256 length', `02 00000009 02${'ab'.repeat(32)} 00000003`],
]

for (const [name, hex] of INVALID) {
  test(`${name} is a protocol error`, () => refused(Buffer.from(hex.replaceAll(' ', ''), 'hex'), name))
}

test('a body that begins as no message and no map does is a protocol error, or one of a later version', () => {
  const rest = bodyOf({ type: 'cancel', id: 9 }).subarray(1)
  for (let tag = 0; tag <= 0xff; tag++) {
    const body = Buffer.from([tag, ...rest])
    if (tag >= 6 && tag <= 0x1f) assert.equal(readFrame(body).frame, 'unknown')
    else if (tag !== 4) refused(body, `tag ${tag}`)
  }
  assert.deepEqual(read(Buffer.from([4, ...rest])), { type: 'cancel', id: 9 })
})

test('random bytes throw nothing but a protocol error, and what is read has no other encoding', () => {
  let readable = 0
  for (let seed = 1; seed <= 2_000; seed++) {
    const rng = seededRng(seed)
    const random = Uint8Array.from({ length: rng.below(150) }, () => rng.below(256))
    const tagged = Uint8Array.of(1 + rng.below(5), ...random)
    const damaged = Uint8Array.from(bodyOf(randomMessage(rng)))
    for (let i = 0; i < 1 + rng.below(3); i++) damaged[rng.below(damaged.length)] = rng.below(256)
    for (const body of [random, tagged, damaged]) {
      const message = readOrRefuse(body, seed)
      if (message === undefined) continue
      readable++
      assert.deepEqual(bodyOf(message), Buffer.from(body), `seed ${seed}`)
      if ('blob' in message) requireDigest(message.blob)
    }
  }
  assert.ok(readable > 100, `only ${readable} inputs were messages: nothing was proven`)
})

test('bits that were read do not alias the buffer they came in', () => {
  const body = bodyOf({ type: 'want', ids: [1], blob: BLOB, background: false, wanted: Uint8Array.of(1, 2, 3) })
  const message = read(body)
  body.fill(0)
  assert.deepEqual(message, { type: 'want', ids: [1], blob: BLOB, background: false, wanted: Uint8Array.of(1, 2, 3) })
})

test('what does not fit, or is no number or digest, is not encoded', () => {
  const one = { type: 'want', ids: [1], blob: BLOB, background: false, wanted: Uint8Array.of(1) } as const
  const messages: readonly Binary[] = [
    { type: 'have', blob: BLOB, pieces: new Array(WIRE_LIMITS.haves + 1).fill(1), queue: 0 },
    { ...one, ids: new Array(WIRE_LIMITS.wants + 1).fill(1) },
    { ...one, wanted: new Uint8Array(WIRE_LIMITS.bitsBytes + 1) },
    { type: 'cancel', id: -1 },
    { type: 'cancel', id: 0x1_0000_0000 },
    // no caller that the compiler has seen can make these
    { ...one, blob: 'md5:00' as Digest },
    { ...one, blob: `sha256:${'ab'.repeat(31)}` as Digest },
    { ...one, blob: `sha256:${'xy'.repeat(32)}` as Digest },
  ]
  for (const message of messages) assert.throws(() => bodyOf(message), RangeError)
})

function bodyOf(message: Binary): Buffer {
  return Buffer.from(encodeFrame(frameOf(message)).subarray(LENGTH_BYTES))
}

function read(body: Uint8Array): Binary {
  const frame = readFrame(body)
  assert.ok(frame.frame === 'message')
  return said(frame.message.name, frame.body) as Binary
}

function refused(body: Uint8Array, what: string): void {
  assert.throws(() => readFrame(body), { code: 'PEER_PROTOCOL' }, what)
}

function readOrRefuse(body: Uint8Array, seed: number): Binary | undefined {
  try {
    return readFrame(body).frame === 'unknown' ? undefined : read(body)
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'PEER_PROTOCOL', `seed ${seed}: ${error}`)
    return undefined
  }
}

function randomMessage(rng: Rng): Binary {
  const hex = (length: number): string => Array.from({ length }, () => rng.below(16).toString(16)).join('')
  const blob = requireDigest(rng.below(2) === 0 ? `sha256:${hex(64)}` : `sha512:${hex(128)}`)
  const id = rng.below(2 ** 32)
  const queue = rng.below(2 ** 32)
  const many = (count: number, below: number): number[] => Array.from({ length: count }, () => rng.below(below))
  const messages: readonly Binary[] = [
    { type: 'have', blob, pieces: many(rng.below(40), WIRE_LIMITS.pieces), queue },
    { type: 'request', id, blob, piece: rng.below(WIRE_LIMITS.pieces), background: rng.below(2) === 1 },
    {
      type: 'want',
      ids: many(1 + rng.below(WIRE_LIMITS.wants), 2 ** 32),
      blob,
      background: rng.below(2) === 1,
      wanted: Uint8Array.from(many(rng.below(80), 256)),
    },
    { type: 'cancel', id },
    { type: 'busy', id, queue },
  ]
  return messages[rng.below(messages.length)]!
}

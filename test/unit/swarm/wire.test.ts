import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from 'cborg'
import { seededRng } from '../../../src/base/rng.ts'
import { blobRequests } from '../../../src/blob/index.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { Request } from '../../../src/swarm/index.ts'
import type { Frame } from '../../../src/swarm/wire.ts'
import { encodeFrame, parseResult } from '../../../src/swarm/wire.ts'
import { WIRE_LIMITS } from '../../../src/swarm/wire-limits.ts'
import { tierRequests } from '../../../src/tier/index.ts'
import { transferRequests } from '../../../src/transfer/index.ts'
import { frameOf, read } from '../../support/said.ts'

const BLOB = `sha256:${'ab'.repeat(32)}` as Digest
const PEER = '12D3KooWQ4QnWr98vNA3fkDzdX2QsueKJn5uawzNxjqdgrGhVYNk'
const place = { upstream: 'docker.io', repository: 'library/alpine' }

/** Every kind of frame and message in CBOR, with the bytes it has had since version 2. Changing one needs a new version. */
const GOLDEN: readonly (readonly [string, Frame, string])[] = [
  [
    'hello',
    { frame: 'hello', version: 1, proof: new Uint8Array(32).fill(1) },
    'AAAAPqNlZnJhbWVlaGVsbG9lcHJvb2ZYIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBZ3ZlcnNpb24B',
  ],
  [
    'about an agent',
    {
      frame: 'about',
      role: 'agent',
      region: 'eu-1',
      zone: null,
      addresses: ['10.0.0.1:7071'],
      software: 'shoal/0.1.0',
    },
    'AAAAWKZkcm9sZWVhZ2VudGR6b25l9mVmcmFtZWVhYm91dGZyZWdpb25kZXUtMWhzb2Z0d2FyZWtzaG9hbC8wLjEuMGlhZGRyZXNzZXOBbTEwLjAuMC4xOjcwNzE=',
  ],
  [
    'about a cache',
    {
      frame: 'about',
      role: 'cache',
      roleProof: new Uint8Array(64).fill(2),
      region: 'eu-1',
      zone: 'a',
      addresses: [],
      software: 'shoal',
    },
    'AAAAkadkcm9sZWVjYWNoZWR6b25lYWFlZnJhbWVlYWJvdXRmcmVnaW9uZGV1LTFoc29mdHdhcmVlc2hvYWxpYWRkcmVzc2VzgGlyb2xlUHJvb2ZYQAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=',
  ],
  [
    'about a host that takes TLS',
    {
      frame: 'about',
      role: 'agent',
      region: 'eu-1',
      zone: null,
      addresses: [],
      software: 'shoal',
      tls: { certificate: new Uint8Array(32).fill(6), token: new Uint8Array(16).fill(7) },
    },
    'AAAAjqdjdGxzomV0b2tlblAHBwcHBwcHBwcHBwcHBwcHa2NlcnRpZmljYXRlWCAGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBmRyb2xlZWFnZW50ZHpvbmX2ZWZyYW1lZWFib3V0ZnJlZ2lvbmRldS0xaHNvZnR3YXJlZXNob2FsaWFkZHJlc3Nlc4A=',
  ],
  ['bye', { frame: 'bye', reason: 'stranger' }, 'AAAAG6JlZnJhbWVjYnllZnJlYXNvbmhzdHJhbmdlcg=='],
  ['ping', { frame: 'ping' }, 'AAAADKFlZnJhbWVkcGluZw=='],
  ['moved', { frame: 'moved' }, 'AAAADaFlZnJhbWVlbW92ZWQ='],
  ['abandon', { frame: 'abandon', id: 7 }, 'AAAAE6JiaWQHZWZyYW1lZ2FiYW5kb24='],
  [
    'answer',
    { frame: 'answer', id: 7, result: { kind: 'stat', size: 5_000_000_000 } },
    'AAAAMqNiaWQHZWZyYW1lZmFuc3dlcmZyZXN1bHSiZGtpbmRkc3RhdGRzaXplGwAAAAEqBfIA',
  ],
  [
    'call join',
    { frame: 'call', id: 1, name: 'join', args: { ...place, digest: BLOB, have: new Uint8Array() } },
    'AAAAo6RiaWQBZGFyZ3OkZGhhdmVAZmRpZ2VzdHhHc2hhMjU2OmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJodXBzdHJlYW1pZG9ja2VyLmlvanJlcG9zaXRvcnlubGlicmFyeS9hbHBpbmVkbmFtZWRqb2luZWZyYW1lZGNhbGw=',
  ],
  [
    'call manifest',
    { frame: 'call', id: 2, name: 'manifest', args: { ...place, target: { kind: 'tag', tag: 'latest' } } },
    'AAAAbaRiaWQCZGFyZ3OjZnRhcmdldKJjdGFnZmxhdGVzdGRraW5kY3RhZ2h1cHN0cmVhbWlkb2NrZXIuaW9qcmVwb3NpdG9yeW5saWJyYXJ5L2FscGluZWRuYW1laG1hbmlmZXN0ZWZyYW1lZGNhbGw=',
  ],
  [
    'call stat',
    { frame: 'call', id: 3, name: 'stat', args: { ...place, digest: BLOB } },
    'AAAAnaRiaWQDZGFyZ3OjZmRpZ2VzdHhHc2hhMjU2OmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJodXBzdHJlYW1pZG9ja2VyLmlvanJlcG9zaXRvcnlubGlicmFyeS9hbHBpbmVkbmFtZWRzdGF0ZWZyYW1lZGNhbGw=',
  ],
  [
    'call tags',
    { frame: 'call', id: 4, name: 'tags', args: { ...place, limit: 100 } },
    'AAAAVaRiaWQEZGFyZ3OjZWxpbWl0GGRodXBzdHJlYW1pZG9ja2VyLmlvanJlcG9zaXRvcnlubGlicmFyeS9hbHBpbmVkbmFtZWR0YWdzZWZyYW1lZGNhbGw=',
  ],
  [
    'call referrers',
    { frame: 'call', id: 5, name: 'referrers', args: { ...place, digest: BLOB } },
    'AAAAoqRiaWQFZGFyZ3OjZmRpZ2VzdHhHc2hhMjU2OmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJodXBzdHJlYW1pZG9ja2VyLmlvanJlcG9zaXRvcnlubGlicmFyeS9hbHBpbmVkbmFtZWlyZWZlcnJlcnNlZnJhbWVkY2FsbA==',
  ],
  [
    'call invalidate',
    { frame: 'call', id: 6, name: 'invalidate', args: { ...place, tag: 'v1' } },
    'AAAAWqRiaWQGZGFyZ3OjY3RhZ2J2MWh1cHN0cmVhbWlkb2NrZXIuaW9qcmVwb3NpdG9yeW5saWJyYXJ5L2FscGluZWRuYW1lamludmFsaWRhdGVlZnJhbWVkY2FsbA==',
  ],
  [
    'call members',
    { frame: 'call', id: 7, name: 'members', args: { limit: 32 } },
    'AAAAK6RiaWQHZGFyZ3OhZWxpbWl0GCBkbmFtZWdtZW1iZXJzZWZyYW1lZGNhbGw=',
  ],
  [
    'bitfield',
    frameOf({ type: 'bitfield', blob: BLOB, size: 1000, bits: Uint8Array.of(5), queue: 2 }),
    'AAAAiqJlZnJhbWVnbWVzc2FnZWdtZXNzYWdlpWRiaXRzQQVkYmxvYnhHc2hhMjU2OmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJkc2l6ZRkD6GR0eXBlaGJpdGZpZWxkZXF1ZXVlAg==',
  ],
  [
    'hashes',
    frameOf({
      type: 'hashes',
      blob: BLOB,
      size: 1000,
      runs: [
        { first: 0, hashes: new Uint8Array(32).fill(3), signature: new Uint8Array(64).fill(4) },
        { first: 9, hashes: new Uint8Array(32).fill(5) },
      ],
    }),
    'AAABLqJlZnJhbWVnbWVzc2FnZWdtZXNzYWdlpGRibG9ieEdzaGEyNTY6YWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmRydW5zgqNlZmlyc3QAZmhhc2hlc1ggAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwNpc2lnbmF0dXJlWEAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEomVmaXJzdAlmaGFzaGVzWCAFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBWRzaXplGQPoZHR5cGVmaGFzaGVz',
  ],
  [
    'leave',
    frameOf({ type: 'leave', blob: BLOB }),
    'AAAAcaJlZnJhbWVnbWVzc2FnZWdtZXNzYWdlomRibG9ieEdzaGEyNTY6YWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmR0eXBlZWxlYXZl',
  ],
  [
    'part',
    frameOf({ type: 'part', blob: BLOB }),
    'AAAAcKJlZnJhbWVnbWVzc2FnZWdtZXNzYWdlomRibG9ieEdzaGEyNTY6YWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmR0eXBlZHBhcnQ=',
  ],
  [
    'giveUp',
    frameOf({ type: 'giveUp', blob: BLOB }),
    'AAAAcqJlZnJhbWVnbWVzc2FnZWdtZXNzYWdlomRibG9ieEdzaGEyNTY6YWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmR0eXBlZmdpdmVVcA==',
  ],
  [
    'urgent',
    frameOf({ type: 'urgent', blob: BLOB, first: 300, count: 2 }),
    'AAAAgqJlZnJhbWVnbWVzc2FnZWdtZXNzYWdlpGRibG9ieEdzaGEyNTY6YWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmR0eXBlZnVyZ2VudGVjb3VudAJlZmlyc3QZASw=',
  ],
  [
    'rangeBytes',
    frameOf({ type: 'rangeBytes', id: 7, bytes: new Uint8Array([1, 2, 3]) }),
    'AAAANqJlZnJhbWVnbWVzc2FnZWdtZXNzYWdlo2JpZAdkdHlwZWpyYW5nZUJ5dGVzZWJ5dGVzQwECAw==',
  ],
]

for (const [name, frame, golden] of GOLDEN) {
  test(`${name} has its golden bytes and is read back`, () => {
    const bytes = encodeFrame(frame)
    assert.equal(Buffer.from(bytes).toString('base64'), golden)
    assert.equal(Buffer.from(bytes).readUInt32BE(0), bytes.length - 4)
    assert.deepEqual(read(bytes.subarray(4)), frame)
  })
}

test('bytes that were read do not alias the buffer they came in', () => {
  const bytes = encodeFrame({ frame: 'hello', version: 1, proof: new Uint8Array(32).fill(1) })
  const frame = read(bytes.subarray(4))
  bytes.fill(0)
  assert.deepEqual(frame, { frame: 'hello', version: 1, proof: new Uint8Array(32).fill(1) })
})

test('unknown keys are dropped, so that later versions may add some', () => {
  assert.deepEqual(read(encode({ frame: 'abandon', id: 1, later: 'x' })), { frame: 'abandon', id: 1 })
})

test('what only a later version can have named is told from what is malformed', () => {
  const later: readonly (readonly [object, object])[] = [
    [
      { frame: 'shout', text: 'x' },
      { frame: 'unknown', kind: 'frame', name: 'shout' },
    ],
    [{ frame: 'unknown' }, { frame: 'unknown', kind: 'frame', name: 'unknown' }],
    [{ frame: 'constructor' }, { frame: 'unknown', kind: 'frame', name: 'constructor' }],
    [
      { frame: 'message', message: { type: 'shout' } },
      { frame: 'unknown', kind: 'message', name: 'shout' },
    ],
    [
      { frame: 'call', id: 7, name: 'shutdown', args: 1 },
      { frame: 'unknown', kind: 'call', name: 'shutdown', id: 7 },
    ],
  ]
  for (const [sent, frame] of later) assert.deepEqual(read(encode(sent)), frame)
  assert.deepEqual(read(Uint8Array.of(0x1f, 1, 2)), { frame: 'unknown', kind: 'message', name: 'binary-31' })
  for (const first of [0, 0x20, 0x7f, 0xff]) {
    assert.throws(() => read(Uint8Array.of(first, 1, 2)), { code: 'PEER_PROTOCOL' })
  }
})

const message = (fields: object): object => ({ frame: 'message', message: fields })
const long = 'a'.repeat(513)

/** Well-formed CBOR that is no valid frame. */
const INVALID: readonly (readonly [string, unknown])[] = [
  ['no frame', {}],
  ['a frame that is no name', { frame: 'shout!' }],
  ['a frame of a long name', { frame: 'a'.repeat(65) }],
  ['a message that is no name', message({ type: 7 })],
  ['a binary message in CBOR', message({ type: 'cancel', id: 1 })],
  ['a negative id', { frame: 'abandon', id: -1 }],
  ['a fractional id', { frame: 'abandon', id: 1.5 }],
  ['an id of 33 bits', { frame: 'abandon', id: 0x1_0000_0000 }],
  ['a digest in upper case', message({ type: 'leave', blob: BLOB.toUpperCase() })],
  ['an urgent piece too far', message({ type: 'urgent', blob: BLOB, first: 262_144, count: 1 })],
  ['too many bits', message({ type: 'bitfield', blob: BLOB, size: 1, bits: new Uint8Array(32_769), queue: 0 })],
  ['half a hash', message({ type: 'hashes', blob: BLOB, size: 1, runs: [{ first: 0, hashes: new Uint8Array(31) }] })],
  [
    'a short signature',
    message({
      type: 'hashes',
      blob: BLOB,
      size: 1,
      runs: [{ first: 0, hashes: new Uint8Array(32), signature: new Uint8Array(63) }],
    }),
  ],
  [
    'too many runs',
    message({
      type: 'hashes',
      blob: BLOB,
      size: 1,
      runs: new Array(4097).fill({ first: 0, hashes: new Uint8Array(32) }),
    }),
  ],
  ['an unknown call without an id', { frame: 'call', name: 'shutdown', args: {} }],
  [
    'a repository with dots',
    { frame: 'call', id: 1, name: 'stat', args: { ...place, repository: '../x', digest: BLOB } },
  ],
  ['a long cursor', { frame: 'call', id: 1, name: 'tags', args: { ...place, after: long } }],
  ['a role nobody has', { frame: 'about', role: 'root', region: 'r', zone: null, addresses: [], software: 's' }],
  [
    'a region with a line end',
    { frame: 'about', role: 'agent', region: 'a\n', zone: null, addresses: [], software: 's' },
  ],
  ['a long software', { frame: 'about', role: 'agent', region: 'r', zone: null, addresses: [], software: long }],
  [
    'a short token',
    {
      frame: 'about',
      role: 'agent',
      region: 'r',
      zone: null,
      addresses: [],
      software: 's',
      tls: { certificate: new Uint8Array(32), token: new Uint8Array(15) },
    },
  ],
  ['a long proof', { frame: 'hello', version: 1, proof: new Uint8Array(65) }],
  ['text for bytes', { frame: 'hello', version: 1, proof: 'x' }],
]

for (const [name, value] of INVALID) {
  test(`a frame with ${name} is a protocol error`, () => {
    assert.throws(() => read(encode(value)), { code: 'PEER_PROTOCOL' })
  })
}

test('CBOR outside the strict subset is a protocol error', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['a tag', 'c100'],
    ['undefined', 'f7'],
    ['an indefinite string', '7f6161ff'],
    ['a number not in its shortest form', '1800'],
    ['NaN', 'f97e00'],
    ['bytes after the end', '0000'],
    ['an indefinite map', 'bfff'],
    ['a repeated key', 'a2616100616101'],
    ['a truncated map', 'a261'],
    ['an array that promises too much', '9affffffff'],
    ['a 64-bit length', '5bffffffffffffffff'],
    ['nothing', ''],
    ['a million values', `9a000f4240${'00'.repeat(1_000_000)}`],
    ['a million empty maps', `9a000f4240${'a0'.repeat(1_000_000)}`],
    ['endless nesting', '81'.repeat(1_000_000)],
  ]
  // a ping with a key that nobody knows: only the value can be at fault
  const pingWith = (hex: string): Uint8Array => Buffer.from(`a2656672616d656470696e676178${hex}`, 'hex')
  assert.deepEqual(read(pingWith('00')), { frame: 'ping' })
  for (const [name, hex] of cases) assert.throws(() => read(pingWith(hex)), { code: 'PEER_PROTOCOL' }, name)
})

test('random bytes and damaged frames never throw anything but a protocol error', () => {
  for (let seed = 1; seed <= 400; seed++) {
    const rng = seededRng(seed)
    const [, frame] = GOLDEN[rng.below(GOLDEN.length)]!
    const bytes = new Uint8Array(encodeFrame(frame).subarray(4))
    for (let i = 0; i < 1 + rng.below(4); i++) bytes[rng.below(bytes.length)] = rng.below(256)
    const random = Uint8Array.from({ length: rng.below(200) }, () => rng.below(256))
    const map = Uint8Array.of(0xa0 + rng.below(32), ...random)
    for (const input of [bytes, random, map]) {
      try {
        read(input)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'PEER_PROTOCOL', `seed ${seed}: ${error}`)
      }
    }
  }
})

test('a protocol error does not repeat what the peer wrote', () => {
  try {
    read(encode(message({ type: 'leave', blob: 'SECRET-TEXT' })))
    assert.fail('must throw')
  } catch (error) {
    assert.ok(!JSON.stringify({ ...(error as object), text: String(error) }).includes('SECRET-TEXT'))
  }
})

test('results are checked by the request they answer', () => {
  const refused = { kind: 'refused', reason: 'denied', message: 'no' }
  const { join } = transferRequests
  const { members } = tierRequests
  const requests: readonly Request[] = [join, members, ...Object.values(blobRequests)]
  for (const request of requests) {
    assert.deepEqual(parseResult(request, refused), refused)
    assert.throws(() => parseResult(request, { ...refused, message: long }), { code: 'PEER_PROTOCOL' })
    assert.throws(() => parseResult(request, undefined), { code: 'PEER_PROTOCOL' })
  }
  const inline = { kind: 'inline', bytes: new Uint8Array(4 * 1024 * 1024) }
  assert.deepEqual(parseResult(join, inline), inline)
  assert.throws(() => parseResult(join, { kind: 'inline', bytes: new Uint8Array(4 * 1024 * 1024 + 1) }))
  assert.throws(() => parseResult(blobRequests.stat, inline), { code: 'PEER_PROTOCOL' })
  assert.throws(() => parseResult(blobRequests.manifest, { kind: 'manifest', digest: BLOB }), { code: 'PEER_PROTOCOL' })
  const named = (...peers: object[]): object => ({ kind: 'members', peers })
  const fine = named({ key: PEER, addresses: ['[::1]:1'] })
  assert.deepEqual(parseResult(members, fine), fine)
  for (const wrong of [
    named(...new Array(65).fill({ key: PEER, addresses: [] })),
    named({ key: PEER, addresses: new Array(9).fill('10.0.0.1:1') }),
    named({ key: PEER, addresses: ['x'] }),
    named({ key: '../../etc', addresses: [] }),
  ]) {
    assert.throws(() => parseResult(members, wrong), { code: 'PEER_PROTOCOL' })
  }
})

test('a frame beyond what a peer takes is not encoded', () => {
  const result = { kind: 'referrers', bytes: new Uint8Array(5 * 1024 * 1024), filtered: false }
  assert.throws(() => encodeFrame({ frame: 'answer', id: 1, result }), RangeError)
})

test('the fullest frames there are have no more values than are taken', () => {
  const hashes = new Uint8Array(32)
  const signature = new Uint8Array(64)
  const runs = Array.from({ length: WIRE_LIMITS.runs }, (_, first) => ({ first, hashes, signature }))
  const said = frameOf({ type: 'hashes', blob: BLOB, size: 1, runs })
  const tags = Array.from({ length: WIRE_LIMITS.tags }, (_, i) => `v${i}`)
  const listed: Frame = { frame: 'answer', id: 1, result: { kind: 'tags', tags, more: true } }
  for (const frame of [said, listed]) assert.equal(read(encodeFrame(frame).subarray(4)).frame, frame.frame)
})

test('a call brings through which mirrors its question came, at most eight; one without them has no such key', () => {
  const call = { frame: 'call', id: 1, name: 'members', args: { limit: 1 } } as const
  const again = (frame: object) => read(encodeFrame(frame as Frame).subarray(4))
  assert.deepEqual(again(call), call)
  assert.deepEqual(again({ ...call, hops: ['aaaa', 'b-1'] }), { ...call, hops: ['aaaa', 'b-1'] })
  for (const hops of [Array.from({ length: 9 }, () => 'a'), ['a, b'], [''], ['x'.repeat(33)], 'aaaa', [1]]) {
    assert.throws(() => again({ ...call, hops }), { code: 'PEER_PROTOCOL' })
  }
})

test('a call brings the span that it is asked for in; what is none is left out, and the call counts', () => {
  const call = { frame: 'call', id: 1, name: 'members', args: { limit: 1 } } as const
  const again = (traceparent: unknown) => read(encodeFrame({ ...call, traceparent } as Frame).subarray(4))
  const span = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  assert.deepEqual(again(span), { ...call, traceparent: span })
  for (const other of [span.replace(/^00/, '01'), `${span}-more`, '', 'x'.repeat(4_000), 7, [span]]) {
    const said = again(other)
    assert.ok(said.frame === 'call' && said.traceparent === undefined && said.id === 1, String(other))
  }
})

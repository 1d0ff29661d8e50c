import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRng } from '../../../src/base/rng.ts'
import { FrameDecoder } from '../../../src/swarm/frame-decoder.ts'

function framed(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + body.length)
  new DataView(bytes.buffer).setUint32(0, body.length)
  bytes.set(body, 4)
  return bytes
}

test('frames come out whole whatever the chunks', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const rng = seededRng(seed)
    const bodies = Array.from({ length: 30 }, () =>
      Uint8Array.from({ length: 1 + rng.below(rng.below(4) === 0 ? 20_000 : 50) }, () => rng.below(256)),
    )
    const stream = Buffer.concat(bodies.map(framed))
    const decoder = new FrameDecoder(20_000)
    const found: Uint8Array[] = []
    for (let i = 0; i < stream.length; ) {
      const size = 1 + rng.below(rng.below(3) === 0 ? 30_000 : 7)
      for (const body of decoder.push(new Uint8Array(stream.subarray(i, i + size)))) found.push(new Uint8Array(body))
      i += size
    }
    assert.deepEqual(found, bodies, `seed ${seed}`)
  }
})

test('a frame that trickles in byte by byte takes time in proportion to its length', () => {
  const decoder = new FrameDecoder(5 * 1024 * 1024)
  const body = new Uint8Array(1_000_000).fill(3)
  let frames = 0
  for (const byte of framed(body)) for (const found of decoder.push(Uint8Array.of(byte))) frames += found.length
  // A decoder that copies everything for every chunk would move half a terabyte and not come back.
  assert.equal(frames, body.length)
})

test('a length of zero or above the limit is a protocol error, before any of the body', () => {
  for (const length of [0, 101, 0x7fff_ffff, 0xffff_ffff]) {
    const head = new Uint8Array(4)
    new DataView(head.buffer).setUint32(0, length)
    assert.throws(() => [...new FrameDecoder(100).push(head)], { code: 'PEER_PROTOCOL' }, String(length))
  }
})

test('a promised length alone makes the decoder hold nothing', () => {
  const decoder = new FrameDecoder(5 * 1024 * 1024)
  const before = process.memoryUsage().arrayBuffers
  const decoders = Array.from({ length: 200 }, () => {
    const fresh = new FrameDecoder(5 * 1024 * 1024)
    assert.deepEqual([...fresh.push(Uint8Array.of(0, 80, 0, 0, 1))], [])
    return fresh
  })
  assert.ok(process.memoryUsage().arrayBuffers - before < 20 * 1024 * 1024)
  assert.equal(decoders.length, 200)
  assert.deepEqual([...decoder.push(framed(Uint8Array.of(1)))], [Uint8Array.of(1)])
})

test('a raised limit holds from the next frame on', () => {
  const decoder = new FrameDecoder(4)
  const stream = Buffer.concat([framed(Uint8Array.of(1)), framed(new Uint8Array(10))])
  const lengths: number[] = []
  for (const body of decoder.push(stream)) {
    lengths.push(body.length)
    decoder.setLimit(10)
  }
  assert.deepEqual(lengths, [1, 10])
})

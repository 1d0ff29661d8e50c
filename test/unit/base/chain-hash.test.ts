import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ChainHash } from '../../../src/base/chain-hash.ts'
import { chainHash, nativeChainHash, portableChainHash } from '../../../src/base/chain-hash.ts'
import { seededBytes } from '../store/store-fixture.ts'

const native = nativeChainHash()

/** The digest of `bytes`, by way of the states at `cuts`, each a multiple of 64. */
function inParts(hash: ChainHash, bytes: Uint8Array, cuts: readonly number[]): string {
  const places = [...new Set(cuts)].filter((cut) => cut <= bytes.length).sort((a, b) => a - b)
  let [state, at] = [hash.start, 0]
  for (const place of places) {
    state = hash.advance(state, bytes.subarray(at, place))
    at = place
  }
  return Buffer.from(hash.digest(state, bytes.subarray(at), bytes.length)).toString('hex')
}

test('this Node lets its OpenSSL be called, and it is what is used', () => {
  assert.ok(native?.isFast)
  assert.ok(chainHash.isFast)
  assert.equal(portableChainHash().isFast, false)
})

test('cut anywhere, both give the digest that Node gives, and the same states on the way', () => {
  const portable = portableChainHash()
  const cuts = fc.array(
    fc.nat(150).map((block) => block * 64),
    { maxLength: 4 },
  )
  fc.assert(
    fc.property(fc.nat(9_000), fc.nat(), cuts, (size, seed, places) => {
      const bytes = seededBytes(size, seed)
      const expected = createHash('sha256').update(bytes).digest('hex')
      for (const hash of [native!, portable]) assert.equal(inParts(hash, bytes, places), expected)
      const blocks = bytes.subarray(0, size - (size % 64))
      assert.deepEqual(native!.advance(native!.start, blocks), portable.advance(portable.start, blocks))
    }),
    { numRuns: 200 },
  )
})

test('a part that is not whole blocks leads to no state', () => {
  for (const hash of [native!, portableChainHash()]) {
    assert.throws(() => hash.advance(hash.start, new Uint8Array(63)), RangeError)
    assert.deepEqual(hash.advance(hash.start, new Uint8Array(0)), hash.start)
  }
})

test('a state is not changed by going on from it', () => {
  const before = Buffer.from(native!.start).toString('hex')
  native!.advance(native!.start, new Uint8Array(128))
  native!.digest(native!.start, new Uint8Array(10), 10)
  assert.equal(Buffer.from(native!.start).toString('hex'), before)
})

test('nothing is printed when it is loaded', () => {
  const module = join(import.meta.dirname, '../../../src/base/chain-hash.ts')
  const script = `const { chainHash } = await import(${JSON.stringify(module)}); console.log(chainHash.isFast)`
  const printed = execFileSync('sh', ['-c', '"$0" --input-type=module -e "$1" 2>&1', process.execPath, script], {
    encoding: 'utf8',
  })
  assert.equal(printed.trim(), 'true')
})

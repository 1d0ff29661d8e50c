import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRng } from '../../../src/base/rng.ts'
import { Bitfield, firstMissing, sameBits } from '../../../src/piece/bitfield.ts'

describe('a bitfield', () => {
  it('agrees with a set through random changes', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rng = seededRng(seed)
      const length = rng.below(200) + 1
      const field = new Bitfield(length)
      const model = new Set<number>()
      for (let step = 0; step < 500; step++) {
        const index = rng.below(length)
        if (rng.next() < 0.6) assert.equal(field.set(index), !model.has(index), `seed ${seed}`)
        else assert.equal(field.clear(index), model.has(index), `seed ${seed}`)
        if (field.has(index)) model.add(index)
        else model.delete(index)
      }
      assert.equal(field.count, model.size, `seed ${seed}`)
      for (let i = 0; i < length; i++) assert.equal(field.has(i), model.has(i), `seed ${seed}`)
      const back = Bitfield.fromBytes(length, field.toBytes())
      assert.ok(back !== undefined && sameBits(back, field), `seed ${seed}`)
    }
  })

  it('ignores what lies outside, and answers false for it', () => {
    const field = Bitfield.full(40)
    for (const index of [-1, 40, 63, 64, 2 ** 32, -(2 ** 32), 2 ** 53]) {
      assert.equal(field.has(index), false, `${index}`)
      assert.equal(field.set(index), false, `${index}`)
      assert.equal(field.clear(index), false, `${index}`)
    }
    assert.equal(field.count, 40)
    assert.equal(field.word(2), 0)
  })

  it('writes index i as bit i mod 8 of byte i / 8', () => {
    const field = new Bitfield(12)
    for (const index of [0, 3, 8, 11]) field.set(index)
    assert.deepEqual([...field.toBytes()], [0b1001, 0b1001])
  })

  it('refuses bytes of another length or with bits beyond the end', () => {
    assert.equal(Bitfield.fromBytes(12, Uint8Array.of(0)), undefined)
    assert.equal(Bitfield.fromBytes(12, Uint8Array.of(0, 0, 0)), undefined)
    assert.equal(Bitfield.fromBytes(12, Uint8Array.of(0, 0b10000)), undefined)
    assert.equal(Bitfield.fromBytes(12, Uint8Array.of(0xff, 0b1111))?.complete, true)
    assert.equal(Bitfield.fromBytes(0, new Uint8Array(0))?.complete, true)
  })

  it('copies without sharing, and empties', () => {
    const field = Bitfield.full(33)
    const copy = field.copy()
    field.clearAll()
    assert.equal(field.count, 0)
    assert.equal(field.has(32), false)
    assert.equal(copy.complete, true)
    assert.equal(sameBits(field, copy), false)
  })

  it('finds the first index that is missing', () => {
    const field = Bitfield.full(70)
    assert.equal(firstMissing(field, 0), 70)
    field.clear(64)
    field.clear(3)
    assert.equal(firstMissing(field, 0), 3)
    assert.equal(firstMissing(field, 4), 64)
    assert.equal(firstMissing(field, 65), 70)
  })
})

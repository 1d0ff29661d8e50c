import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRng } from '../../../src/base/rng.ts'
import { rankHomes } from '../../../src/scheduler/index.ts'

const KEYS = Array.from({ length: 2_000 }, (_, i) => `sha256:${i.toString(16).padStart(64, '0')}`)
/** Computed once: other values and hosts of two versions would disagree about homes. */
const EXPECTED = [
  'cache-c cache-b cache-a',
  'cache-a cache-c cache-b',
  'cache-a cache-b cache-c',
  'cache-b cache-c cache-a',
  'cache-b cache-a cache-c',
  'cache-c cache-b cache-a',
  'cache-a cache-c cache-b',
  'cache-b cache-a cache-c',
]

describe('homes', () => {
  it('are the same whoever asks, in whatever order the candidates are', () => {
    const rng = seededRng(7)
    const candidates = ['a', 'b', 'c', 'd', 'e']
    for (const key of KEYS.slice(0, 100)) {
      const shuffled = candidates.toSorted(() => rng.next() - 0.5)
      assert.deepEqual(rankHomes(key, shuffled), rankHomes(key, candidates))
      assert.deepEqual(rankHomes(key, candidates).toSorted(), candidates)
    }
    assert.deepEqual(rankHomes('key', []), [])
  })

  it('are what every version must compute', () => {
    const first = KEYS.slice(0, 8).map((key) => rankHomes(key, ['cache-a', 'cache-b', 'cache-c']).join(' '))
    assert.deepEqual(first, EXPECTED)
  })

  it('change only for the keys of a candidate that leaves, which go to their stand-ins', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const rng = seededRng(seed)
      const candidates = Array.from({ length: 2 + rng.below(8) }, () => `cache-${rng.below(1e9)}`)
      const lost = candidates[rng.below(candidates.length)]!
      const left = candidates.filter((id) => id !== lost)
      for (const key of KEYS.slice(0, 300)) {
        const ranked = rankHomes(key, candidates)
        assert.deepEqual(
          rankHomes(key, left),
          ranked.filter((id) => id !== lost),
          `seed ${seed}`,
        )
      }
    }
  })

  it('spread keys evenly, also the keys of one that left', () => {
    const candidates = Array.from({ length: 8 }, (_, i) => `12D3KooWcache${i}`)
    const firsts = new Map<string, number>()
    const seconds = new Map<string, number>()
    for (const key of KEYS) {
      const [first, second] = rankHomes(key, candidates)
      firsts.set(first!, (firsts.get(first!) ?? 0) + 1)
      if (first === candidates[0]) seconds.set(second!, (seconds.get(second!) ?? 0) + 1)
    }
    // 250 each, 15 of standard deviation; then about 36 each, 6 of it
    for (const id of candidates) assert.ok(Math.abs(firsts.get(id)! - 250) < 75, `${id}: ${firsts.get(id)}`)
    for (const id of candidates.slice(1)) assert.ok((seconds.get(id) ?? 0) > 10, `${id}: ${seconds.get(id)}`)
  })
})

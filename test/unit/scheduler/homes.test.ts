import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, it } from 'node:test'
import { seededRng } from '../../../src/base/rng.ts'
import { rankHomes, rankStandIns } from '../../../src/scheduler/index.ts'

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

  describe('by secrets', () => {
    const caches = ['cache-a', 'cache-b', 'cache-c']
    const secrets = (seed: string) => (id: string) => hash('sha256', `${seed} ${id}`, 'base64url').slice(0, 22)
    const firsts = (rankOf: (id: string) => string | undefined): string[] =>
      KEYS.map((key) => rankHomes(key, caches, rankOf)[0]!)
    /** How often two rankings name the same first of three: a third of the time when they know nothing of each other. */
    const agreement = (one: string[], other: string[]): number =>
      one.filter((id, i) => id === other[i]).length / KEYS.length

    it('do not follow from the names, and those of one region not from those of another', () => {
      const north = firsts(secrets('north'))
      for (const other of [firsts(secrets('south')), firsts(() => undefined)]) {
        assert.ok(Math.abs(agreement(north, other) - 1 / 3) < 0.06, `${agreement(north, other)}`)
      }
      assert.equal(agreement(north, firsts(secrets('north'))), 1)
    })

    it('are by names while one of the caches has told none', () => {
      const mixed = (id: string): string | undefined => (id === 'cache-b' ? undefined : secrets('north')(id))
      assert.equal(
        agreement(
          firsts(mixed),
          firsts(() => undefined),
        ),
        1,
      )
    })

    it('are not to be had by whoever grinds a name: the first by name is the first no more often than another', () => {
      const rankOf = secrets('north')
      const won = KEYS.slice(0, 300).filter((key) => {
        // the best of a thousand names for this key
        const names = Array.from({ length: 1_000 }, (_, i) => `12D3KooWground${i}`)
        const best = rankHomes(key, names)[0]!
        return rankHomes(key, [...caches, best], rankOf)[0] === best
      })
      // a quarter would be chance
      assert.ok(won.length < 120, `${won.length} of 300`)
    })
  })

  describe('that stand in for caches', () => {
    const drawn = (seed: string) => hash('sha256', seed, 'base64url').slice(0, 22)
    const drawnOf = (host: string) => ({ address: drawn(host.split('/')[0]!), host: drawn(host) })

    it('are shared out among addresses, whatever number of identities one of them has', () => {
      const hosts = Array.from({ length: 9 }, (_, i) => `10.0.0.${i}/host`)
      const crowd = Array.from({ length: 300 }, (_, i) => `192.0.2.1/made-up-${i}`)
      const keys = KEYS.slice(0, 1_000)
      const won = keys.filter((key) => crowd.includes(rankStandIns(key, [...hosts, ...crowd], drawnOf)[0]!))
      // a tenth is chance
      assert.ok(Math.abs(won.length - 100) < 40, `${won.length} of 1000`)
      // and within one address among its hosts
      const first = new Set(keys.map((key) => rankStandIns(key, crowd, drawnOf)[0]))
      assert.ok(first.size > 200, `${first.size} of 300`)
    })

    it('are those for whom nothing was drawn only when there is nobody else, and then by name', () => {
      const met = ['10.0.0.1/a', '10.0.0.2/b']
      const unmet = ['made-up-1', 'made-up-2', 'made-up-3']
      for (const key of KEYS.slice(0, 100)) {
        const ranked = rankStandIns(key, [...unmet, ...met], (host) => (met.includes(host) ? drawnOf(host) : undefined))
        assert.deepEqual(ranked.slice(0, 2).toSorted(), met)
        assert.deepEqual(ranked.slice(2), rankHomes(key, unmet))
      }
    })
  })
})

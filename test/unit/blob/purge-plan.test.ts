import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HeldOfRepository, PurgeTarget } from '../../../src/blob/purge-plan.ts'
import { planPurge } from '../../../src/blob/purge-plan.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'

const BEFORE = 1_000
const digest = (name: string): Digest => digestOf(Buffer.from(name))

/** `images`: manifests with what they refer to; `tags`: what each points to. All of it is old, but for `fresh`. */
function held(
  images: Readonly<Record<string, readonly string[]>>,
  tags: Readonly<Record<string, string>>,
  fresh: readonly string[] = [],
): HeldOfRepository {
  const at = (name: string): number => (fresh.includes(name) ? BEFORE + 1 : BEFORE)
  const blobs = [...new Set(Object.values(images).flat())].filter((name) => images[name] === undefined)
  return {
    tags: Object.entries(tags).map(([tag, name]) => ({ tag, digest: digest(name), confirmedEpochMs: at(tag) })),
    grants: [
      ...Object.keys(images).map((name) => ({
        digest: digest(name),
        kind: 'manifest' as const,
        grantedEpochMs: at(name),
      })),
      ...blobs.map((name) => ({ digest: digest(name), kind: 'blob' as const, grantedEpochMs: at(name) })),
    ],
    children: new Map(Object.entries(images).map(([name, parts]) => [digest(name), parts.map(digest)])),
  }
}

function plan(
  target: PurgeTarget['target'],
  of: HeldOfRepository,
): { tags: string[]; gone: string[]; shared: string[] } {
  const names = ['one', 'two', 'index', 'sig', 'base', 'a', 'b', 'c', 'payload']
  const named = (digests: readonly Digest[]): string[] => names.filter((name) => digests.includes(digest(name))).sort()
  const { tags, digests, shared } = planPurge({ upstream: 'r.test', repository: 'app', target }, of, BEFORE)
  return { tags: [...tags].sort(), gone: named(digests), shared: named(shared) }
}

const TWO = { one: ['base', 'a'], two: ['base', 'b'] }

describe('what goes with a purged image', () => {
  it('is all that no other tag of the repository needs', () => {
    const of = held(TWO, { v1: 'one', v2: 'two' })
    assert.deepEqual(plan({ kind: 'tag', tag: 'v1' }, of), { tags: ['v1'], gone: ['a', 'one'], shared: ['base'] })
  })

  it('is the tag alone where another tag has the same image', () => {
    const of = held(TWO, { v1: 'one', latest: 'one' })
    assert.deepEqual(plan({ kind: 'tag', tag: 'v1' }, of), { tags: ['v1'], gone: [], shared: [] })
  })

  it('is nothing that an image needs which was pulled by its digest', () => {
    const of = held(TWO, { v1: 'one' })
    assert.deepEqual(plan({ kind: 'tag', tag: 'v1' }, of), { tags: ['v1'], gone: ['a', 'one'], shared: ['base'] })
  })

  it('by digest, takes the tags that point to it along', () => {
    const of = held(TWO, { v1: 'one', latest: 'one', v2: 'two' })
    const gone = plan({ kind: 'digest', digest: digest('one') }, of)
    assert.deepEqual(gone, { tags: ['latest', 'v1'], gone: ['a', 'one'], shared: ['base'] })
  })

  it("takes an index's images along, but for one that another tag has", () => {
    const of = held({ ...TWO, index: ['one', 'two'] }, { v1: 'index', amd64: 'two' })
    const gone = plan({ kind: 'tag', tag: 'v1' }, of)
    assert.deepEqual(gone, { tags: ['v1'], gone: ['a', 'index', 'one'], shared: ['base', 'b', 'two'].sort() })
  })

  it('takes its signature along', () => {
    const sig = `sha256-${digest('one').slice('sha256:'.length)}.sig`
    const of = held({ ...TWO, sig: ['payload'] }, { v1: 'one', v2: 'two', [sig]: 'sig' })
    const gone = plan({ kind: 'tag', tag: 'v1' }, of)
    assert.deepEqual(gone, { tags: [sig, 'v1'].sort(), gone: ['a', 'one', 'payload', 'sig'], shared: ['base'] })
  })

  it('is everything of a repository', () => {
    const of = held(TWO, { v1: 'one' })
    assert.deepEqual(plan({ kind: 'all' }, of), { tags: ['v1'], gone: ['a', 'b', 'base', 'one', 'two'], shared: [] })
  })

  it('is nothing that came after the order', () => {
    const tag = { kind: 'tag', tag: 'v1' } as const
    assert.deepEqual(plan(tag, held(TWO, { v1: 'one' }, ['v1'])), { tags: [], gone: [], shared: [] })
    const pushedAgain = plan({ kind: 'all' }, held(TWO, { v1: 'one', v2: 'two' }, ['v2', 'two']))
    assert.deepEqual(pushedAgain, { tags: ['v1'], gone: ['a', 'one'], shared: ['b', 'base'] })
  })

  it('is nothing where the image is not known', () => {
    assert.deepEqual(plan({ kind: 'tag', tag: 'v9' }, held(TWO, { v1: 'one' })), { tags: [], gone: [], shared: [] })
  })
})

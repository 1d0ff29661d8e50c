import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { TagCache, TagProofs } from '../../../src/blob/index.ts'
import type { ResolvedManifest, TagAnswer } from '../../../src/blob/known-tags.ts'
import { KnownTags } from '../../../src/blob/known-tags.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { agentKeyOf, FleetTrust, generateFleetKey } from '../../../src/trust/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { openStore } from '../store/store-fixture.ts'
import { SilentLink } from '../transfer/fixture.ts'

const REF = { upstream: 'docker.io', repository: 'library/app', tag: 'v1' }
const MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const [OLD, NEW] = [digestOf(new Uint8Array([1])), digestOf(new Uint8Array([2]))]
const START_MS = 1_000_000
const OPTIONS = { tagTtlMs: 30_000, tagMaxStaleMs: 3_600_000 }

const key = generateFleetKey()
const cache = new TagProofs(new FleetTrust(key), { clock: systemClock, region: 'eu', regionsAbove: [] })
const core = new TagProofs(new FleetTrust(key), { clock: systemClock, region: 'core', regionsAbove: [] })

function manifest(digest: Digest): ResolvedManifest {
  return { digest, bytes: new Uint8Array(), mediaType: MEDIA_TYPE, source: 'home', stale: false, ageMs: 0 }
}

interface Host {
  readonly known: KnownTags
  readonly tags: TagCache
  readonly clock: { ms: number }
}

/** An agent of region `eu` below `core`; every manifest is in its store. */
async function host(t: TestContext): Promise<Host> {
  const store = await openStore(await tempDir(t))
  t.after(() => store[Symbol.asyncDispose]())
  const clock = { ms: START_MS }
  const tags = new TagCache(store, { now: () => clock.ms, wall: () => clock.ms }, { believeUnmarked: false })
  const proofs = new TagProofs(new FleetTrust(agentKeyOf(key)), {
    clock: systemClock,
    region: 'eu',
    regionsAbove: ['core'],
  })
  const lookups = { inc(): void {} }
  const stored = async (_ref: object, digest: Digest): Promise<ResolvedManifest> => manifest(digest)
  return { known: new KnownTags(OPTIONS, { tags, proofs, logger: silentLogger, lookups, stored }), tags, clock }
}

/** What a link says: signed at that time by that signer, or by nobody. */
function answer(link: SilentLink, digest: Digest, signed?: { by: TagProofs; atMs: number }): TagAnswer {
  const proof = signed?.by.sign({ ...REF, digest, mediaType: MEDIA_TYPE }, signed.atMs)
  const body = { mediaType: MEDIA_TYPE, bytes: new Uint8Array(), stale: false, ageMs: 0 }
  return { link, answer: { kind: 'manifest', digest, proof, ...body } }
}

test("a member's answer is news only under a signature that is newer than what is known, and not from the future", async (t) => {
  const { known, clock } = await host(t)
  const member = new SilentLink('member')
  const at = (atMs: number, by = cache): { by: TagProofs; atMs: number } => ({ by, atMs })
  assert.equal(await known.newsMs(REF, answer(member, NEW)), undefined)
  const told = answer(member, NEW, at(START_MS - 10_000))
  assert.equal(await known.newsMs(REF, told), 10_000)
  await known.told(REF, { ...told, answer: { ...told.answer, ageMs: 10_000 } }, manifest(NEW))
  clock.ms += 5_000
  assert.equal(await known.newsMs(REF, answer(member, OLD, at(START_MS - 20_000))), undefined)
  assert.equal(await known.newsMs(REF, told), undefined, 'the same again is no news')
  assert.equal(await known.newsMs(REF, answer(member, OLD, at(clock.ms + 60_000))), undefined)
  assert.equal(await known.newsMs(REF, answer(member, OLD, at(clock.ms + 1_000))), 0, 'clocks differ a little')
  assert.equal(await known.newsMs(REF, answer(member, OLD, at(clock.ms, core))), 0, 'a region above may say so')
  assert.deepEqual(member.breaches, [])
})

test('a signature that does not hold breaks the protocol, one of a region that is not above counts for nothing', async (t) => {
  const { known } = await host(t)
  const us = new TagProofs(new FleetTrust(key), { clock: systemClock, region: 'us', regionsAbove: [] })
  const stranger = new TagProofs(new FleetTrust(generateFleetKey()), {
    clock: systemClock,
    region: 'eu',
    regionsAbove: [],
  })
  const about = answer(new SilentLink('c'), NEW, { by: cache, atMs: 1 })
  const told: [TagAnswer, number][] = [
    [answer(new SilentLink('a'), NEW, { by: us, atMs: 1 }), 0],
    [answer(new SilentLink('b'), NEW, { by: stranger, atMs: 1 }), 1],
    [{ ...about, answer: { ...about.answer, digest: OLD } }, 1],
  ]
  for (const [other, breaches] of told) {
    assert.equal(await known.newsMs(REF, other), undefined)
    assert.equal((other.link as SilentLink).breaches.length, breaches)
  }
})

test('what is kept under a signature is handed on with it, and what a cache said without one is not', async (t) => {
  const { known, clock } = await host(t)
  const link = new SilentLink('cache', null, 'cache')
  const signed = answer(link, NEW, { by: cache, atMs: START_MS })
  await known.told(REF, signed, manifest(NEW))
  clock.ms += 20_000
  const fresh = await known.fresh(REF)
  assert.ok(fresh?.proof !== undefined)
  assert.deepEqual(fresh.proof, signed.answer.proof)
  await known.told(REF, answer(link, OLD), manifest(OLD))
  const unsigned = await known.fresh(REF)
  assert.ok(unsigned)
  assert.deepEqual([unsigned.digest, unsigned.proof], [OLD, undefined])
  clock.ms += 60_000
  const stale = await known.stale(REF)
  assert.ok(stale)
  assert.deepEqual([stale.digest, stale.stale, stale.proof], [OLD, true, undefined])
})

test("a home signs what it heard from above with the upstream's time, not its own", async (t) => {
  const store = await openStore(await tempDir(t))
  t.after(() => store[Symbol.asyncDispose]())
  const clock = { now: () => START_MS, wall: () => START_MS }
  const tags = new TagCache(store, clock, { believeUnmarked: true })
  const proofs = new TagProofs(new FleetTrust(key), { clock: systemClock, region: 'eu', regionsAbove: ['core'] })
  const stored = async (_ref: object, digest: Digest): Promise<ResolvedManifest> => manifest(digest)
  const home = new KnownTags(OPTIONS, { tags, proofs, logger: silentLogger, lookups: { inc() {} }, stored })
  const parent = new SilentLink('parent', null, 'cache')
  const resolved = await home.told(REF, answer(parent, NEW, { by: core, atMs: START_MS - 9_000 }), manifest(NEW))
  assert.ok(resolved.proof !== undefined)
  assert.deepEqual([resolved.proof.region, resolved.proof.confirmedEpochMs], ['eu', START_MS - 9_000])
})

import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { UpstreamConfig } from '../../src/config/index.ts'
import type { BuiltImage } from '../../src/demo/index.ts'
import { signatureTag } from '../../src/oci/cosign.ts'
import type { Signer } from '../support/cosign.ts'
import { buildSignature, newSigner, payloadFor, writePublicKey } from '../support/cosign.ts'
import { eventually } from '../support/eventually.ts'
import type { HostSpec, TestNode } from '../support/node-fleet.ts'
import { directoryUpstream, NodeFleet } from '../support/node-fleet.ts'
import { runCommand } from '../support/run-command.ts'

const KIB = 1024
const UP = 'registry.test'
const REPOSITORY = 'team/app'

interface Signed {
  readonly fleet: NodeFleet
  readonly image: BuiltImage
  readonly signer: Signer
  readonly upstream: UpstreamConfig
  readonly cache: TestNode
  readonly agents: readonly TestNode[]
}

/** A region whose upstream wants images to be signed, and one that is not. */
async function signedRegion(t: TestContext): Promise<Signed> {
  const fleet = await NodeFleet.create(t)
  const signer = newSigner()
  const image = await fleet.image({ sizeBytes: 64 * KIB, layerCount: 1 })
  const path = await fleet.push('origin', REPOSITORY, 'v1', image)
  const keys = [
    await writePublicKey(fleet.directory, 'other.pub', newSigner()),
    await writePublicKey(fleet.directory, 'cosign.pub', signer),
  ]
  const upstream = { ...directoryUpstream(UP, path), signatures: { keys } }
  const { cache, agents } = await fleet.region({ upstreams: [upstream], tags: { ttlMs: 1 } }, 2)
  return { fleet, image, signer, upstream, cache, agents }
}

async function pushSignature(
  fleet: NodeFleet,
  { manifest: { digest } }: BuiltImage,
  signers: readonly Signer[],
  payload?: Buffer,
): Promise<void> {
  const built = await buildSignature(join(fleet.directory, 'signatures'), digest, signers, payload)
  await fleet.push('origin', REPOSITORY, signatureTag(digest), built)
}

async function checks(host: TestNode, result: string): Promise<number> {
  return (await host.metrics()).sum('shoal_signature_checks_total', { result })
}

test('a tag whose image is not signed is refused at the home, once per region, and says so', async (t) => {
  const region = await signedRegion(t)
  const { cache, agents, image } = region
  const [one, two] = agents as [TestNode, TestNode]
  for (const host of [one, two]) assert.equal((await host.manifest(UP, REPOSITORY, 'v1')).status, 404)
  assert.deepEqual([await checks(cache, 'unsigned'), await checks(cache, 'signed')], [1, 0])
  for (const host of agents) assert.equal(await checks(host, 'unsigned'), 0, 'the home alone looks')
  const own = ['--admin', one.adminUrl, '--token-file', join(one.storeDir, 'admin.token')]
  const { stdout } = await runCommand(['why', `${UP}/${REPOSITORY}:v1`, ...own])
  assert.match(stdout, /not signed by a key of this upstream/)
  // who names a digest has chosen it
  assert.equal((await one.manifest(UP, REPOSITORY, image.manifest.digest)).status, 200)
})

test('a tag whose image one of the keys has signed is pulled by everybody, at one look', async (t) => {
  const region = await signedRegion(t)
  const { fleet, cache, agents, image, signer } = region
  const [one] = agents as [TestNode, TestNode]
  const push = async (tag: string, seed: number): Promise<BuiltImage> => {
    const built = await fleet.image({ sizeBytes: 64 * KIB, layerCount: 1, seed })
    await fleet.push('origin', REPOSITORY, tag, built)
    return built
  }
  const strangers = await push('v2', 2)
  await pushSignature(fleet, strangers, [newSigner()])
  assert.equal((await one.manifest(UP, REPOSITORY, 'v2')).status, 404, 'signed by a stranger')
  const mistaken = await push('v3', 3)
  await pushSignature(fleet, mistaken, [signer], payloadFor(image.manifest.digest))
  assert.equal((await one.manifest(UP, REPOSITORY, 'v3')).status, 404, 'the signature of another image')
  const good = await push('v4', 4)
  await pushSignature(fleet, good, [newSigner(), signer])
  for (const agent of agents) await agent.pull(UP, REPOSITORY, 'v4', good)
  assert.deepEqual([await checks(cache, 'unsigned'), await checks(cache, 'signed')], [2, 1])
})

test('a signature that comes after its image is found', async (t) => {
  const region = await signedRegion(t)
  const { fleet, agents, image, signer } = region
  const [one] = agents as [TestNode, TestNode]
  assert.equal((await one.manifest(UP, REPOSITORY, 'v1')).status, 404)
  await pushSignature(fleet, image, [signer])
  await eventually('it is served', async () => (await one.manifest(UP, REPOSITORY, 'v1')).status === 200)
})

test('what was found signed is served while the origin is away; what was read before it had to be is not', async (t) => {
  const region = await signedRegion(t)
  const { fleet, cache, image, upstream, signer } = region
  const { signatures: _, ...unsigned } = upstream
  const spec: HostSpec = { role: 'cache', region: 'old', upstreams: [unsigned], tags: { ttlMs: 1 } }
  const before = await fleet.start(spec)
  assert.equal((await before.manifest(UP, REPOSITORY, 'v1')).status, 200)
  await before.node[Symbol.asyncDispose]()
  await pushSignature(fleet, image, [signer])
  await cache.pull(UP, REPOSITORY, 'v1', image)
  const after = await fleet.start({ ...spec, upstreams: [upstream], store: { path: before.storeDir } })
  assert.equal((await after.manifest(UP, REPOSITORY, 'none')).status, 404, 'the origin is there')
  // what was there and is not any more says nothing
  const root = join(fleet.directory, 'origin')
  await rename(root, `${root}-gone`)
  const { status, stale } = await cache.manifest(UP, REPOSITORY, 'v1')
  assert.deepEqual([status, stale], [200, true])
  assert.equal((await after.manifest(UP, REPOSITORY, 'v1')).status, 404)
})

import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { RateLimiter } from '../../../src/base/rate-limiter.ts'
import { digestHex } from '../../../src/oci/digest.ts'
import type { OriginChain } from '../../../src/origin/index.ts'
import { createOriginMetrics, openOriginChain } from '../../../src/origin/index.ts'
import { fetchSmall } from '../../../src/transfer/small-blob.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { assertBytes, testBlob } from '../store/store-fixture.ts'

const blob = testBlob(1000, 1)
const ref = { upstream: 'up', repository: 'team/app', digest: blob.digest }
const never = new AbortController().signal
const unlimited = new RateLimiter(systemClock, 0)

const dataPath = `docker/registry/v2/blobs/sha256/${digestHex(blob.digest).slice(0, 2)}/${digestHex(blob.digest)}/data`

/** A directory in the layout of a registry that has `bytes` under the blob's digest. */
async function originWith(t: TestContext, bytes: Uint8Array | undefined): Promise<string> {
  const root = await tempDir(t)
  const hex = digestHex(blob.digest)
  const base = join(root, 'docker/registry/v2')
  const files: [string, Uint8Array | string][] = [
    [`repositories/team/app/_layers/sha256/${hex}/link`, blob.digest],
    [`blobs/sha256/${hex.slice(0, 2)}/${hex}/data`, bytes ?? ''],
  ]
  for (const [path, content] of bytes === undefined ? [] : files) {
    await mkdir(dirname(join(base, path)), { recursive: true })
    await writeFile(join(base, path), content)
  }
  return root
}

function chainOf(t: TestContext, paths: readonly string[]): OriginChain {
  const deps = {
    logger: silentLogger,
    metrics: createOriginMetrics(noMetrics, 'test'),
    clock: systemClock,
    version: '0.0.0',
  }
  const origins = paths.map((path) => ({ kind: 'directory', path }) as const)
  const chain = openOriginChain({ name: 'up', access: 'public', origins }, deps)
  t.after(() => chain[Symbol.asyncDispose]())
  return chain
}

test('a first origin with wrong bytes is left out and the second one asked', async (t) => {
  const chain = chainOf(t, [await originWith(t, new Uint8Array(1000)), await originWith(t, blob.bytes)])
  assertBytes(await fetchSmall(chain, ref, 1000, [unlimited], never), blob.bytes)
})

test('wrong bytes everywhere are an error, never an answer', async (t) => {
  const chain = chainOf(t, [await originWith(t, new Uint8Array(1000)), await originWith(t, new Uint8Array(1000))])
  await assert.rejects(fetchSmall(chain, ref, 1000, [unlimited], never), { code: 'CONTENT_CORRUPT' })
  await assert.rejects(fetchSmall(chain, ref, 1000, [unlimited], never), { code: 'CONTENT_CORRUPT' })
})

test('one wrong answer of the only origin does not cost the blob', async (t) => {
  const path = await originWith(t, new Uint8Array(1000))
  const chain = chainOf(t, [path])
  const right = join(await originWith(t, blob.bytes), dataPath)
  const heal = chain.distrust.bind(chain)
  // as soon as the wrong answer has been noticed, the origin is right again
  chain.distrust = (label, digest) => {
    heal(label, digest)
    copyFileSync(right, join(path, dataPath))
  }
  assertBytes(await fetchSmall(chain, ref, 1000, [unlimited], never), blob.bytes)
})

test('a blob that no origin has is undefined', async (t) => {
  const chain = chainOf(t, [await originWith(t, undefined)])
  assert.equal(await fetchSmall(chain, ref, 1000, [unlimited], never), undefined)
})

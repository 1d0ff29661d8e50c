import assert from 'node:assert/strict'
import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MetricRegistry } from '../../../src/base/metrics.ts'
import { noMetrics } from '../../../src/base/metrics.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { createOriginMetrics, openOrigin } from '../../../src/origin/index.ts'
import { dataPath, deps, never, readAll, sampleRepository, tempDir, writeTree } from './fixtures.ts'

/** A metric registry that keeps what is counted, as `name{labels}` lines. */
function recordingMetrics(lines: string[]): MetricRegistry {
  const record = (name: string, labels: object): void => {
    lines.push(`${name} ${Object.values(labels).join(' ')}`)
  }
  return {
    ...noMetrics,
    counter: (name) => ({ inc: (labels) => record(name, labels) }),
    histogram: (name) => ({ observe: (labels) => record(name, labels) }),
  }
}

test('every operation is counted with its outcome, a blob when its range ends', async (t) => {
  const sample = sampleRepository({ blobBytes: 600_000 })
  const root = await tempDir(t)
  await writeTree(root, sample.files)
  const lines: string[] = []
  const metrics = createOriginMetrics(recordingMetrics(lines), 'registry.test')
  const origin = openOrigin({ kind: 'directory', path: root }, { ...deps, metrics })
  const query = { repository: sample.repository, signal: never }
  const counted = (): string[] => lines.splice(0).filter((line) => line.startsWith('shoal_origin_requests_total'))
  const line = (text: string): string[] => [`shoal_origin_requests_total registry.test ${text}`]

  const tag = await origin.resolveTag({ ...query, tag: 'v1' })
  assert.deepEqual(lines, [
    'shoal_origin_requests_total registry.test tag ok',
    'shoal_origin_seconds registry.test tag',
  ])
  counted()
  await origin.resolveTag({ ...query, tag: 'v1', known: tag.kind === 'found' ? tag.state : undefined })
  assert.deepEqual(counted(), line('tag unchanged'))
  await origin.resolveTag({ ...query, tag: 'v9' })
  assert.deepEqual(counted(), line('tag unknown'))
  await origin.manifest({ ...query, digest: sample.manifestDigest })
  assert.deepEqual(counted(), line('manifest ok'))
  await origin.statBlob({ ...query, digest: digestOf(Buffer.from('nowhere')) })
  assert.deepEqual(counted(), line('stat unknown'))

  const read = { ...query, digest: sample.blobDigest, size: 600_000, range: { start: 0, end: 600_000 } }
  const chunks = await origin.readBlob(read)
  assert.deepEqual(counted(), [])
  await readAll(chunks)
  assert.deepEqual(counted(), line('blob ok'))
  await assert.rejects(async () => {
    for await (const _chunk of (await origin.readBlob(read)) ?? []) await truncate(join(root, dataPath(read.digest)), 0)
  })
  assert.deepEqual(counted(), line('blob failed'))
})

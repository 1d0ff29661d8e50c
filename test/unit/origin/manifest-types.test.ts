import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openOrigin } from '../../../src/origin/index.ts'
import { deps, never, sampleRepository, serveBytes, startServer } from './fixtures.ts'

const sample = sampleRepository()
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

for (const [said, expected] of [
  [OCI_MANIFEST, OCI_MANIFEST],
  [`${OCI_MANIFEST.toUpperCase()}; charset=UTF-8`, OCI_MANIFEST],
  ['application/vnd.docker.distribution.manifest.v2+json', 'application/vnd.docker.distribution.manifest.v2+json'],
  ['application/vnd.example.artifact+json', 'application/vnd.example.artifact+json'],
  ['application/json', undefined],
  ['application/octet-stream', undefined],
  ['binary/octet-stream', undefined],
  ['text/plain; charset=utf-8', undefined],
  ['text/html', undefined],
  ['application/x-gzip', undefined],
] as const) {
  test(`a manifest that is called ${said} is of ${expected ?? 'the type that it says itself'}`, async (t) => {
    const digest = sample.manifestDigest
    const server = await startServer(t, (request, response) => {
      response.setHeader('content-type', said)
      serveBytes(request, response, sample.manifest)
    })
    await using origin = openOrigin({ kind: 'registry', url: server.url, access: 'public' }, deps)
    const manifest = await origin.manifest({ repository: sample.repository, signal: never, digest })
    assert.equal(manifest?.mediaType, expected)
  })
}

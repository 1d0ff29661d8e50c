import { arch } from 'node:process'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import { MEDIA_TYPE } from '../oci/manifest.ts'
import type { Answer } from './answer.ts'
import { bytesAnswer } from './answer.ts'
import { etagOf } from './conditional.ts'
import { cannotServe } from './oci-error.ts'
import type { PullPath } from './pull-path.ts'

/** No registry has it, and every agent's mirror, under the name of any upstream: a runtime that gets it pulls through an agent. */
export const PROBE_REPOSITORY = 'shoal-doctor/probe'

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64' }
/** An empty archive: two blocks of zeros. */
const LAYER = new Uint8Array(1024)
const CONFIG = json({
  architecture: ARCHITECTURES[arch] ?? arch,
  os: 'linux',
  config: {},
  rootfs: { type: 'layers', diff_ids: [digestOf(LAYER)] },
  history: [{ created_by: 'shoal doctor' }],
})
const MANIFEST = json({
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociManifest,
  config: descriptor('application/vnd.oci.image.config.v1+json', CONFIG),
  layers: [descriptor('application/vnd.oci.image.layer.v1.tar', LAYER)],
})
const BLOBS: ReadonlyMap<Digest, Uint8Array> = new Map([CONFIG, LAYER].map((bytes) => [digestOf(bytes), bytes]))

export const PROBE_DIGEST = digestOf(MANIFEST)

/** What the mirror itself says of the probe; nobody else is asked. */
export function probeAnswer(path: Exclude<PullPath, { route: 'base' | 'token' }>): Answer {
  switch (path.route) {
    case 'manifests':
      return path.target.kind === 'tag' || path.target.digest === PROBE_DIGEST
        ? served(PROBE_DIGEST, MANIFEST, MEDIA_TYPE.ociManifest)
        : cannotServe('manifests', 'the probe has no other manifest')
    case 'blobs': {
      const bytes = BLOBS.get(path.digest)
      return bytes === undefined
        ? cannotServe('blobs', 'the probe has no such blob')
        : served(path.digest, bytes, 'application/octet-stream')
    }
    case 'tags':
    case 'referrers':
      return cannotServe(path.route, 'the probe is an image, and nothing else')
  }
}

function served(digest: Digest, bytes: Uint8Array, type: string): Answer {
  const headers = { 'Docker-Content-Digest': digest, ETag: etagOf(digest), 'X-Shoal-Source': 'local' }
  return bytesAnswer(200, { ...headers, 'Content-Type': type }, bytes)
}

function descriptor(mediaType: string, bytes: Uint8Array): { mediaType: string; digest: Digest; size: number } {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

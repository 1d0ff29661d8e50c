import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import { parseJson } from '../base/json.ts'
import type { Digest } from './digest.ts'
import { parseDigest } from './digest.ts'

export const MEDIA_TYPE = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  octetStream: 'application/octet-stream',
} as const

/** What Shoal asks upstreams for. Never schema 1: old registries would down-convert to it. */
export const MANIFEST_ACCEPT: readonly string[] = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerList,
  MEDIA_TYPE.dockerManifest,
]

const INDEX_TYPES: readonly string[] = [MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerList]

/** The largest manifest accepted from anywhere: what distribution and containers/image allow. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

/** The largest blob that can be moved: 131 072 pieces of 4 MiB (`MAX_PIECES`). What a manifest says above that is refused. */
export const MAX_BLOB_BYTES = 512 * 1024 ** 3

/**
 * Descriptors in one manifest: images have at most 127 layers and indexes some dozens of manifests; more costs each host that
 * looks at it a long turn of its event loop.
 */
export const MAX_DESCRIPTORS = 4_096

/** OCI image-spec descriptor.md, the parts Shoal reads. */
export interface Descriptor {
  readonly digest: Digest
  readonly size: number
  readonly mediaType: string
  readonly platform?: Platform | undefined
}

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string | undefined
}

/**
 * A parsed manifest: an index of manifests, an image's config and layers, or the blobs of an artifact manifest (OCI
 * 1.1-rc, ORAS), which were never images. The bytes stay authoritative.
 */
export type Manifest =
  | { readonly kind: 'index'; readonly mediaType: string; readonly manifests: readonly Descriptor[] }
  | {
      readonly kind: 'image'
      readonly mediaType: string
      readonly config: Descriptor
      readonly layers: readonly Descriptor[]
    }
  | { readonly kind: 'artifact'; readonly mediaType: string; readonly blobs: readonly Descriptor[] }

/** Tools write `null` for what they leave out, and platforms of which half is missing: as good as absent. */
const platformSchema = z.object({
  os: z.string().nullish(),
  architecture: z.string().nullish(),
  variant: z.string().nullish(),
})

const descriptorSchema = z
  .object({
    digest: z.string(),
    size: z
      .int()
      .nonnegative()
      .max(MAX_BLOB_BYTES, { error: `more bytes than a blob may have (${MAX_BLOB_BYTES})` })
      .nullish(),
    mediaType: z.string().nullish(),
    platform: platformSchema.nullish(),
  })
  .transform(({ digest: text, size, mediaType, platform }): Descriptor | undefined => {
    const digest = parseDigest(text)
    // What cannot be proven here (another algorithm) or planned (no size) is left to whoever asks for it by itself.
    if (digest === undefined || size == null) return undefined
    return { digest, size, mediaType: mediaType ?? MEDIA_TYPE.octetStream, platform: platformOf(platform) }
  })

function platformOf(written: z.output<typeof platformSchema> | null | undefined): Platform | undefined {
  if (!written?.os || !written.architecture) return undefined
  const { os, architecture, variant } = written
  return variant ? { os, architecture, variant } : { os, architecture }
}

const descriptors = z
  .array(descriptorSchema)
  .transform((list) => list.filter((descriptor) => descriptor !== undefined))
  .nullish()

const documentSchema = z.object({
  schemaVersion: z.number().nullish(),
  mediaType: z.string().nullish(),
  manifests: descriptors,
  config: descriptorSchema.nullish(),
  layers: descriptors,
  blobs: descriptors,
})

/**
 * Parses a manifest of either family. Its media type is the document's own, else inferred by shape (image-spec
 * manifest.md). Throws `MANIFEST_INVALID`, also for schema 1, which Shoal neither stores nor serves.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const json = documentOf(bytes)
  if (json === undefined) throw new ShoalError('MANIFEST_INVALID', 'the manifest is not JSON')
  requireFew(json)
  const parsed = documentSchema.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new ShoalError('MANIFEST_INVALID', `the manifest's ${issue?.path.join('.')} is wrong: ${issue?.message}`)
  }
  const { schemaVersion, mediaType, manifests, config, layers, blobs } = parsed.data
  if (schemaVersion === 1) throw new ShoalError('MANIFEST_INVALID', 'schema 1 manifests are not supported')
  if (manifests != null) return { kind: 'index', mediaType: mediaType ?? MEDIA_TYPE.ociIndex, manifests }
  if (config != null) {
    return { kind: 'image', mediaType: mediaType ?? MEDIA_TYPE.ociManifest, config, layers: layers ?? [] }
  }
  if (blobs != null) return { kind: 'artifact', mediaType: mediaType ?? MEDIA_TYPE.octetStream, blobs }
  if (manifests === null || INDEX_TYPES.includes(mediaType ?? '')) {
    return { kind: 'index', mediaType: mediaType ?? MEDIA_TYPE.ociIndex, manifests: [] }
  }
  throw new ShoalError('MANIFEST_INVALID', 'the manifest has neither "manifests", "config" nor "blobs"')
}

function documentOf(bytes: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** Before each of them is looked at. */
function requireFew(json: unknown): void {
  if (typeof json !== 'object' || json === null) return
  for (const [key, list] of Object.entries(json)) {
    if (!Array.isArray(list) || list.length <= MAX_DESCRIPTORS) continue
    const message = `the manifest's ${key} are ${list.length}, more than the ${MAX_DESCRIPTORS} that are taken`
    throw new ShoalError('MANIFEST_INVALID', message)
  }
}

/** Every descriptor a manifest refers to. */
export function manifestChildren(manifest: Manifest): readonly Descriptor[] {
  switch (manifest.kind) {
    case 'index':
      return manifest.manifests
    case 'image':
      return [manifest.config, ...manifest.layers]
    case 'artifact':
      return manifest.blobs
  }
}

/** Tags that stand for signatures, attestations and referrers of another digest (cosign, referrers tag schema). */
export function isReferrerTag(tag: string): boolean {
  return /^sha(?:256|512)-[0-9a-f]{1,128}(?:\.[A-Za-z0-9._-]+)?$/.test(tag)
}

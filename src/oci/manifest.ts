import { z } from 'zod'
import { ShoalError } from '../base/errors.ts'
import type { Digest } from './digest.ts'
import { requireDigest } from './digest.ts'

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

/** The largest manifest accepted from anywhere: what distribution and containers/image allow. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

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

/** A parsed manifest: an index of manifests, or an image's config and layers. The bytes stay authoritative. */
export type Manifest =
  | { readonly kind: 'index'; readonly mediaType: string; readonly manifests: readonly Descriptor[] }
  | {
      readonly kind: 'image'
      readonly mediaType: string
      readonly config: Descriptor
      readonly layers: readonly Descriptor[]
    }

const descriptorSchema = z.object({
  digest: z.string().transform((text, context): Digest => {
    try {
      return requireDigest(text)
    } catch {
      context.addIssue({ code: 'custom', message: 'not a sha256 or sha512 digest' })
      return z.NEVER
    }
  }),
  size: z.int().nonnegative(),
  mediaType: z.string().default(MEDIA_TYPE.octetStream),
  platform: z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() }).optional(),
})

const documentSchema = z.object({
  schemaVersion: z.number().optional(),
  mediaType: z.string().optional(),
  manifests: z.array(descriptorSchema).optional(),
  config: descriptorSchema.optional(),
  layers: z.array(descriptorSchema).optional(),
})

/**
 * Parses a manifest of either family. Its media type is the document's own, else inferred by shape (image-spec
 * manifest.md). Throws `MANIFEST_INVALID`, also for schema 1, which Shoal neither stores nor serves.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new ShoalError('MANIFEST_INVALID', 'the manifest is not JSON', { cause })
  }
  const parsed = documentSchema.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new ShoalError('MANIFEST_INVALID', `the manifest's ${issue?.path.join('.')} is wrong: ${issue?.message}`)
  }
  const { schemaVersion, mediaType, manifests, config, layers } = parsed.data
  if (schemaVersion === 1) throw new ShoalError('MANIFEST_INVALID', 'schema 1 manifests are not supported')
  if (manifests !== undefined) return { kind: 'index', mediaType: mediaType ?? MEDIA_TYPE.ociIndex, manifests }
  if (config !== undefined) {
    return { kind: 'image', mediaType: mediaType ?? MEDIA_TYPE.ociManifest, config, layers: layers ?? [] }
  }
  throw new ShoalError('MANIFEST_INVALID', 'the manifest has neither "manifests" nor "config"')
}

/** Every descriptor a manifest refers to. */
export function manifestChildren(manifest: Manifest): readonly Descriptor[] {
  return manifest.kind === 'index' ? manifest.manifests : [manifest.config, ...manifest.layers]
}

/** Tags that stand for signatures, attestations and referrers of another digest (cosign, referrers tag schema). */
export function isReferrerTag(tag: string): boolean {
  return /^sha(?:256|512)-[0-9a-f]{1,128}(?:\.[A-Za-z0-9._-]+)?$/.test(tag)
}

import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor, Manifest } from '../oci/manifest.ts'
import { manifestChildren, parseManifest } from '../oci/manifest.ts'
import { platformText } from '../oci/platform.ts'
import type { Reference } from '../oci/reference.ts'
import type { ImageSource } from './interface.ts'

const MAX_MANIFESTS = 256

export interface ContentPart {
  readonly digest: Digest
  readonly size: number
}

/** What an image is made of, each part once. */
export interface ImageContent {
  readonly manifests: readonly ContentPart[]
  /** Configs and layers, in the order of the manifests. */
  readonly blobs: readonly ContentPart[]
}

/** What a reference means, and what it names: an index, or the one image there is. */
interface ResolvedContent extends ImageContent {
  readonly named: Manifest
}

/**
 * What a reference means now, for some platforms: the first manifest is the one it names. Throws `REFERENCE_INVALID` when
 * an index has nothing for them.
 */
export async function resolveContent(
  images: ImageSource,
  reference: Reference,
  platforms: readonly string[],
  signal: AbortSignal,
): Promise<ResolvedContent> {
  const top = await images.manifest(reference, signal)
  const named = parseManifest(top.bytes)
  const chosen = named.kind === 'index' ? choose(named.manifests, platforms) : []
  const digests = [top.digest, ...chosen.map(({ digest }) => digest)]
  return { named, ...(await readContent(images, reference, digests, signal)) }
}

/** What manifests that are known by their digests are made of. */
export async function readContent(
  images: ImageSource,
  { upstream, repository }: Pick<Reference, 'upstream' | 'repository'>,
  digests: readonly Digest[],
  signal: AbortSignal,
): Promise<ImageContent> {
  const manifests = new Map<Digest, ContentPart>()
  const blobs = new Map<Digest, ContentPart>()
  for (const digest of digests) {
    const { bytes } = await images.manifest({ upstream, repository, target: { kind: 'digest', digest } }, signal)
    manifests.set(digest, { digest, size: bytes.length })
    for (const part of partsOf(parseManifest(bytes))) blobs.set(part.digest, { digest: part.digest, size: part.size })
  }
  return { manifests: [...manifests.values()], blobs: [...blobs.values()] }
}

/** An image without an index is for one platform, which its config names: one that is asked for must be it. */
export async function requirePlatform(
  images: ImageSource,
  repository: Pick<Reference, 'upstream' | 'repository'>,
  named: Manifest,
  platforms: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (named.kind !== 'image') return
  const own = await images.platform(repository, named.config, signal)
  if (own !== undefined && !fits(own, platforms)) throw invalid(`is for ${own} alone, not for ${platforms.join(', ')}`)
}

/** Whether a platform is one of those wanted: a variant that is not asked for may be any. */
function fits(name: string | undefined, platforms: readonly string[]): boolean {
  return platforms.some((wanted) => wanted === 'all' || name === wanted || name?.startsWith(`${wanted}/`) === true)
}

/** What a manifest's blobs are; layers that their own registry does not serve are fetched by the runtime from where they say. */
function partsOf(manifest: Manifest): Descriptor[] {
  if (manifest.kind === 'index') return []
  return manifestChildren(manifest).filter(({ mediaType }) => !/foreign|nondistributable/.test(mediaType))
}

/** The images of an index for `os/arch[/variant]`, or for `all`. */
function choose(manifests: readonly Descriptor[], platforms: readonly string[]): readonly Descriptor[] {
  const chosen = manifests.filter((one) => fits(nameOf(one), platforms))
  if (chosen.length > MAX_MANIFESTS) throw invalid(`its index names more than ${MAX_MANIFESTS} manifests`)
  if (chosen.length > 0) return chosen
  const there = manifests.flatMap((one) => nameOf(one) ?? []).filter((name) => !name.startsWith('unknown/'))
  throw invalid(`has no image for ${platforms.join(', ')}; it has: ${there.join(', ') || 'none that is named'}`)
}

function nameOf({ platform }: Descriptor): string | undefined {
  return platform === undefined ? undefined : platformText(platform)
}

function invalid(message: string): ShoalError {
  return new ShoalError('REFERENCE_INVALID', message)
}

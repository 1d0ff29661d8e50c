import { errorText, ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor, Manifest } from '../oci/manifest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { Reference } from '../oci/reference.ts'
import { parseReference } from '../oci/reference.ts'
import type { ImageSource, Plan, PlannedBlob, PlannedImage, PrewarmSpec } from './interface.ts'
import { MAX_BLOBS } from './letter-types.ts'

/** Manifests asked for at once. */
const ASKED_AT_ONCE = 8
const MAX_MANIFESTS = 256

interface ResolvedImage {
  readonly image: Omit<PlannedImage, 'bytes'>
  readonly blobs: readonly Descriptor[]
}

/** Turns what a job names into what is to be moved: tags to digests, once and for all hosts; indexes to platforms. */
export class Planner {
  readonly #images: ImageSource
  readonly #platform: string

  /** `platform` (`os/arch`) is what a job means that names none. */
  constructor(images: ImageSource, platform: string) {
    this.#images = images
    this.#platform = platform
  }

  /** References are complete: with their registries. Throws `PREWARM_IMPOSSIBLE` naming the image. */
  async plan(spec: PrewarmSpec, signal: AbortSignal): Promise<Plan> {
    const platforms = spec.platforms.length === 0 ? [this.#platform] : spec.platforms
    const resolved: ResolvedImage[] = []
    for (let at = 0; at < spec.images.length; at += ASKED_AT_ONCE) {
      const some = spec.images.slice(at, at + ASKED_AT_ONCE)
      resolved.push(...(await Promise.all(some.map((text) => this.#resolve(text, platforms, signal)))))
    }
    const blobs = new Map<Digest, PlannedBlob>()
    const images: PlannedImage[] = []
    for (const [index, { image, blobs: own }] of resolved.entries()) {
      const sizes = new Map(own.map(({ digest, size }) => [digest, size]))
      images.push({ ...image, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) })
      for (const [digest, size] of sizes) if (!blobs.has(digest)) blobs.set(digest, { digest, size, image: index })
    }
    if (blobs.size > MAX_BLOBS) throw impossible(`${blobs.size} blobs are more than one job moves (${MAX_BLOBS})`)
    const planned = [...blobs.values()]
    return { images, blobs: planned, bytes: planned.reduce((sum, { size }) => sum + size, 0) }
  }

  async #resolve(text: string, platforms: readonly string[], signal: AbortSignal): Promise<ResolvedImage> {
    const reference = parseReference(text, 'docker.io')
    try {
      if (!this.#images.shareable(reference.upstream)) {
        throw impossible(`content of ${reference.upstream} is not fetched in the fleet's name (see upstreams)`)
      }
      return await this.#resolveImage(text, reference, platforms, signal)
    } catch (error) {
      signal.throwIfAborted()
      throw impossible(`${text}: ${errorText(error)}`, error)
    }
  }

  async #resolveImage(
    text: string,
    reference: Reference,
    platforms: readonly string[],
    signal: AbortSignal,
  ): Promise<ResolvedImage> {
    const { upstream, repository, target } = reference
    const top = await this.#images.manifest({ upstream, repository, target }, signal)
    const manifest = parseManifest(top.bytes)
    const manifests = [top.digest]
    const blobs: Descriptor[] = []
    if (manifest.kind === 'image') blobs.push(...contentOf(manifest))
    else {
      const chosen = choose(manifest.manifests, platforms)
      if (chosen.length > MAX_MANIFESTS) throw impossible(`the index names more than ${MAX_MANIFESTS} manifests`)
      for (const { digest } of chosen) {
        const child = await this.#images.manifest({ upstream, repository, target: { kind: 'digest', digest } }, signal)
        manifests.push(child.digest)
        blobs.push(...contentOf(parseManifest(child.bytes)))
      }
    }
    const tag = target.kind === 'tag' ? target.tag : null
    return { image: { reference: text, upstream, repository, tag, digest: top.digest, manifests }, blobs }
  }
}

/** Config and layers; layers that their own registry does not serve are fetched by the runtime from where they say. */
function contentOf(manifest: Manifest): Descriptor[] {
  if (manifest.kind === 'index') return []
  return [manifest.config, ...manifest.layers].filter(({ mediaType }) => !/foreign|nondistributable/.test(mediaType))
}

function choose(manifests: readonly Descriptor[], platforms: readonly string[]): Descriptor[] {
  if (platforms.includes('all')) return [...manifests]
  const chosen = manifests.filter((one) => platforms.some((wanted) => fits(one, wanted)))
  if (chosen.length > 0) return chosen
  const there = manifests.map(platformText).filter((name) => name !== undefined && !name.startsWith('unknown/'))
  throw impossible(`has no image for ${platforms.join(', ')}; it has ${there.join(', ') || 'none that is named'}`)
}

function fits(descriptor: Descriptor, wanted: string): boolean {
  const name = platformText(descriptor)
  return name !== undefined && (name === wanted || name.startsWith(`${wanted}/`))
}

function platformText({ platform }: Descriptor): string | undefined {
  if (platform === undefined) return undefined
  const { os, architecture, variant } = platform
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`
}

function impossible(message: string, cause?: unknown): ShoalError {
  return new ShoalError('PREWARM_IMPOSSIBLE', message, { cause })
}

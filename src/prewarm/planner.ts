import { errorText } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { referenceText } from '../oci/reference.ts'
import { impossible } from '../orders/index.ts'
import type { ImageSource } from '../pins/index.ts'
import { requirePlatform, resolveContent } from '../pins/index.ts'
import { imageReference } from './image-reference.ts'
import type { Plan, PlannedBlob, PlannedImage, PrewarmSpec } from './interface.ts'
import { MAX_BLOBS } from './shapes.ts'

/** Images looked up at once. */
const IMAGES_AT_ONCE = 8

interface ResolvedImage {
  readonly image: PlannedImage
  readonly blobs: readonly Pick<PlannedBlob, 'digest' | 'size'>[]
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
    const resolved: ResolvedImage[] = []
    for (let at = 0; at < spec.images.length; at += IMAGES_AT_ONCE) {
      const some = spec.images.slice(at, at + IMAGES_AT_ONCE)
      resolved.push(...(await Promise.all(some.map((text) => this.#resolve(text, spec.platforms, signal)))))
    }
    const blobs = new Map<Digest, PlannedBlob>()
    for (const [image, { blobs: own }] of resolved.entries()) {
      for (const { digest, size } of own) if (!blobs.has(digest)) blobs.set(digest, { digest, size, image })
    }
    if (blobs.size > MAX_BLOBS) throw impossible(`${blobs.size} blobs are more than one job moves (${MAX_BLOBS})`)
    const planned = [...blobs.values()]
    return { images: resolved.map(({ image }) => image), blobs: planned, bytes: sizeOf(planned) }
  }

  async #resolve(text: string, wanted: readonly string[], signal: AbortSignal): Promise<ResolvedImage> {
    const platforms = wanted.length === 0 ? [this.#platform] : wanted
    const reference = imageReference(text)
    const { upstream, repository, target } = reference
    const shown = referenceText(reference)
    if (!this.#images.knows(upstream)) {
      throw impossible(`${shown}: no upstream is called ${upstream} (see upstreams in the caches' configuration)`)
    }
    if (!this.#images.shareable(upstream)) {
      throw impossible(
        `${shown}: content of ${upstream} is not fetched in the fleet's name (see upstreams: passthrough)`,
      )
    }
    try {
      const { named, manifests, blobs } = await resolveContent(this.#images, reference, platforms, signal)
      // one that nobody asked for is only a guess
      if (wanted.length > 0 && !wanted.includes('all')) {
        await requirePlatform(this.#images, reference, named, wanted, signal)
      }
      const digests = manifests.map(({ digest }) => digest)
      const tag = target.kind === 'tag' ? target.tag : null
      // the first manifest is the one that was named
      const image = { reference: shown, upstream, repository, tag, digest: digests[0]!, manifests: digests }
      return { image: { ...image, bytes: sizeOf(blobs) }, blobs }
    } catch (error) {
      signal.throwIfAborted()
      const message = errorText(error)
      throw impossible(message.includes(`${upstream}/${repository}`) ? message : `${shown}: ${message}`, error)
    }
  }
}

function sizeOf(blobs: readonly { readonly size: number }[]): number {
  return blobs.reduce((sum, { size }) => sum + size, 0)
}

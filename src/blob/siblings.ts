import type { Digest } from '../oci/digest.ts'
import type { Descriptor, Manifest } from '../oci/manifest.ts'

const MAX_LAYERS = 8_192

/** Which layers belong together: an image's layers move as one, as soon as the first of them is asked for. */
export class Siblings {
  readonly #byLayer = new Map<Digest, readonly Descriptor[]>()

  /** Remembers an image's layers; the oldest images are forgotten. */
  remember(manifest: Manifest): void {
    if (manifest.kind !== 'image') return
    for (const { digest } of manifest.layers) {
      this.#byLayer.delete(digest)
      this.#byLayer.set(digest, manifest.layers)
    }
    for (const digest of this.#byLayer.keys()) {
      if (this.#byLayer.size <= MAX_LAYERS) return
      this.#byLayer.delete(digest)
    }
  }

  /** The layers that go with this one, in the manifest's order, once: whoever asks starts them. */
  take(layer: Digest): readonly Descriptor[] {
    const layers = this.#byLayer.get(layer) ?? []
    for (const { digest } of layers) if (this.#byLayer.get(digest) === layers) this.#byLayer.delete(digest)
    return layers
  }
}

import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor, Manifest } from '../oci/manifest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { Reference } from '../oci/reference.ts'
import { parseReference, referenceText } from '../oci/reference.ts'
import type { BlobStore } from '../store/index.ts'
import type { ImageSource, PlannedImage } from './interface.ts'
import type { Pin, PinBook, PinnedBlob } from './pin-book.ts'

export interface PinsDeps {
  readonly book: PinBook
  readonly store: BlobStore
  readonly images: ImageSource
  readonly knows: (upstream: string) => boolean
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

export interface PinsOptions {
  /** What a reference without a registry means. */
  readonly defaultUpstream: string
  /** `os/arch[/variant]` of this host: which of an index's images is pinned when nobody says. */
  readonly platform: string
}

/** What a pin needs of a planned image. */
export type PlannedPin = Pick<PlannedImage, 'upstream' | 'repository' | 'tag' | 'digest' | 'manifests'>

/** A pin as it is told. */
export interface PinView {
  readonly reference: string
  readonly digest: string
  readonly untilEpochMs: number
  readonly blobs: number
  readonly bytes: number
  readonly presentBytes: number
}

/** Pins by reference: of operators (`shoal pin`), and of prewarm jobs, which have resolved theirs already. */
export class Pins {
  readonly #deps: PinsDeps
  readonly #options: PinsOptions

  constructor(deps: PinsDeps, options: PinsOptions) {
    this.#deps = deps
    this.#options = options
  }

  list(): PinView[] {
    return this.#deps.book.list().map((pin) => this.#view(pin))
  }

  /** Pins what `reference` means now. Fetches manifests at most; blobs that are still to come are pinned, too. */
  async pin(
    text: string,
    { forMs, platform }: { readonly forMs: number; readonly platform?: string | undefined },
    signal: AbortSignal,
  ): Promise<PinView> {
    const reference = this.#parse(text)
    if (!this.#deps.images.shareable(reference.upstream)) {
      const message = `"${text}": ${reference.upstream} is passthrough, so only clients can say what a reference means`
      throw new ShoalError('REFERENCE_INVALID', message)
    }
    const blobs: PinnedBlob[] = []
    const top = await this.#manifest(reference, reference.target, blobs, signal)
    if (top.manifest.kind === 'index') {
      for (const { digest } of choose(top.manifest.manifests, platform ?? this.#options.platform, text)) {
        const child = await this.#manifest(reference, { kind: 'digest', digest }, blobs, signal)
        addBlobs(child.manifest, blobs)
      }
    } else addBlobs(top.manifest, blobs)
    const untilEpochMs = this.#deps.now() + forMs
    const pin = { reference: referenceText(reference), digest: top.digest, blobs: unique(blobs), untilEpochMs }
    return this.#view(await this.#deps.book.put(pin))
  }

  /**
   * Pins an image of a job as it was planned; never shortens what is pinned longer. Its manifests are read anew: a
   * plan names a layer once, however many of its images have it, and each of these needs it for itself.
   */
  async pinPlanned(image: PlannedPin, untilEpochMs: number, signal: AbortSignal): Promise<void> {
    const { upstream, repository, tag, digest } = image
    const target = tag === null ? ({ kind: 'digest', digest } as const) : ({ kind: 'tag', tag } as const)
    const reference = { upstream, repository, target }
    const blobs: PinnedBlob[] = []
    for (const one of image.manifests) {
      const { manifest } = await this.#manifest(reference, { kind: 'digest', digest: one }, blobs, signal)
      addBlobs(manifest, blobs)
    }
    const pin = { reference: referenceText(reference), digest, blobs: unique(blobs), untilEpochMs }
    await this.#deps.book.put(pin, { longest: true })
  }

  /** Whether there was such a pin. */
  unpin(text: string): Promise<boolean> {
    return this.#deps.book.remove(referenceText(this.#parse(text)))
  }

  #parse(text: string): Reference {
    const reference = parseReference(text, this.#options.defaultUpstream)
    if (this.#deps.knows(reference.upstream)) return reference
    const message = `"${text}": no upstream is called ${reference.upstream} (see upstreams in the configuration)`
    throw new ShoalError('REFERENCE_INVALID', message)
  }

  async #manifest(
    { upstream, repository }: Reference,
    target: Reference['target'],
    blobs: PinnedBlob[],
    signal: AbortSignal,
  ): Promise<{ digest: Digest; manifest: Manifest }> {
    const { digest, bytes } = await this.#deps.images.manifest({ upstream, repository, target }, signal)
    blobs.push({ digest, size: bytes.length })
    return { digest, manifest: parseManifest(bytes) }
  }

  #view({ reference, digest, blobs, untilEpochMs }: Pin): PinView {
    let [bytes, presentBytes] = [0, 0]
    for (const blob of blobs) {
      bytes += blob.size
      presentBytes += this.#deps.store.size(blob.digest) ?? 0
    }
    return { reference, digest, untilEpochMs, blobs: blobs.length, bytes, presentBytes }
  }
}

function addBlobs(manifest: Manifest, blobs: PinnedBlob[]): void {
  if (manifest.kind === 'image')
    blobs.push(...[manifest.config, ...manifest.layers].map(({ digest, size }) => ({ digest, size })))
}

/** An image may name the same layer twice. */
function unique(blobs: readonly PinnedBlob[]): PinnedBlob[] {
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()]
}

/** The images of an index for a platform; a variant that is not asked for may be any. */
function choose(manifests: readonly Descriptor[], platform: string, text: string): Descriptor[] {
  const fitting = manifests.filter((one) => {
    const named = platformText(one)
    return named !== undefined && (named === platform || named.startsWith(`${platform}/`))
  })
  if (fitting.length > 0) return fitting
  const there = manifests.flatMap((one) => platformText(one) ?? []).filter((name) => !name.startsWith('unknown/'))
  const list = there.length === 0 ? 'none that is named' : there.join(', ')
  throw new ShoalError('REFERENCE_INVALID', `"${text}" has no image for ${platform}; it has: ${list}`)
}

function platformText({ platform }: Descriptor): string | undefined {
  if (platform === undefined) return undefined
  const { os, architecture, variant } = platform
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`
}

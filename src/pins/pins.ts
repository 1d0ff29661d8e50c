import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Reference } from '../oci/reference.ts'
import { parseReference, referenceText } from '../oci/reference.ts'
import type { BlobStore } from '../store/index.ts'
import type { ImageContent } from './image-content.ts'
import { readContent, resolveContent } from './image-content.ts'
import type { ImageSource, PinView, ResolvedImage } from './interface.ts'
import type { Pin, PinStore } from './pin-store.ts'

interface PinsDeps {
  readonly pins: PinStore
  readonly store: BlobStore
  readonly images: ImageSource
  readonly clock: Pick<Clock, 'wall'>
}

interface PinsOptions {
  /** What a reference without a registry means. */
  readonly defaultUpstream: () => string
  /** `os/arch[/variant]` of this host: which of an index's images is pinned when nobody says. */
  readonly platform: string
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
    return this.#deps.pins.list().map((pin) => this.#view(pin))
  }

  /** Pins what `reference` means now. Fetches manifests at most; blobs that are still to come are pinned, too. */
  async pin(
    text: string,
    { forMs, platform }: { readonly forMs: number; readonly platform?: string | undefined },
    signal: AbortSignal,
  ): Promise<PinView> {
    const { images, clock } = this.#deps
    const reference = this.#parse(text)
    if (!images.shareable(reference.upstream)) {
      const message = `"${text}": ${reference.upstream} is passthrough, so only clients can say what a reference means`
      throw new ShoalError('REFERENCE_INVALID', message)
    }
    const content = await resolveContent(images, reference, [platform ?? this.#options.platform], signal)
    return this.#view(await this.#put(reference, null, content, clock.wall() + forMs))
  }

  /**
   * Pins a job's image as it was planned, in place of what the job pinned before. Its manifests are read anew: a plan
   * names a layer once, however many of its images have it, and each of these needs it for itself.
   */
  async pinPlanned(job: string, image: ResolvedImage, untilEpochMs: number, signal: AbortSignal): Promise<void> {
    const { upstream, repository, tag, digest, manifests } = image
    const target = tag === null ? ({ kind: 'digest', digest } as const) : ({ kind: 'tag', tag } as const)
    const content = await readContent(this.#deps.images, image, manifests, signal)
    await this.#put({ upstream, repository, target }, job, content, untilEpochMs)
  }

  /** Takes away what a job has pinned; what others pinned of the same images stays. */
  async unpinJob(job: string): Promise<void> {
    await this.#deps.pins.remove((pin) => pin.job === job)
  }

  /** Takes away every pin of a reference, jobs' as well; returns whether there was one. */
  unpin(text: string): Promise<boolean> {
    const reference = referenceText(this.#parse(text))
    return this.#deps.pins.remove((pin) => pin.reference === reference)
  }

  #parse(text: string): Reference {
    const reference = parseReference(text, this.#options.defaultUpstream(), (word) => this.#deps.images.knows(word))
    if (this.#deps.images.knows(reference.upstream)) return reference
    const message = `"${text}": no upstream is called ${reference.upstream} (see upstreams in the configuration)`
    throw new ShoalError('REFERENCE_INVALID', message)
  }

  async #put(reference: Reference, job: string | null, content: ImageContent, untilEpochMs: number): Promise<Pin> {
    const { manifests, blobs } = content
    // the first manifest is the one that was named
    const { digest } = manifests[0]!
    const pin = { reference: referenceText(reference), job, digest, blobs: [...manifests, ...blobs], untilEpochMs }
    await this.#deps.pins.put(pin)
    return pin
  }

  #view({ reference, job, digest, blobs, untilEpochMs }: Pin): PinView {
    let [bytes, presentBytes] = [0, 0]
    for (const blob of blobs) {
      bytes += blob.size
      presentBytes += this.#deps.store.size(blob.digest) ?? 0
    }
    return { reference, job, digest, untilEpochMs, blobs: blobs.length, bytes, presentBytes }
  }
}

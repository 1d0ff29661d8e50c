import { ShoalError } from '../base/errors.ts'
import type { Reference } from '../oci/reference.ts'
import { parseReference, referenceText } from '../oci/reference.ts'
import type { BlobStore } from '../store/index.ts'
import type { ImageContent } from './image-content.ts'
import { readContent, resolveContent } from './image-content.ts'
import type { ImageSource, PlannedImage } from './interface.ts'
import type { Pin, PinBook } from './pin-book.ts'

export interface PinsDeps {
  readonly book: PinBook
  readonly store: BlobStore
  readonly images: ImageSource
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

export interface PinsOptions {
  /** What a reference without a registry means. */
  readonly defaultUpstream: string
  /** `os/arch[/variant]` of this host: which of an index's images is pinned when nobody says. */
  readonly platform: string
}

/** A pin as it is told. */
export interface PinView {
  readonly reference: string
  /** The prewarm job whose pin it is; null = an operator's. */
  readonly job: string | null
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
    const { images, now } = this.#deps
    const reference = this.#parse(text)
    if (!images.shareable(reference.upstream)) {
      const message = `"${text}": ${reference.upstream} is passthrough, so only clients can say what a reference means`
      throw new ShoalError('REFERENCE_INVALID', message)
    }
    const content = await resolveContent(images, reference, [platform ?? this.#options.platform], signal)
    return this.#view(await this.#put(reference, null, content, now() + forMs))
  }

  /**
   * Pins a job's image as it was planned, in place of what the job pinned before. Its manifests are read anew: a plan
   * names a layer once, however many of its images have it, and each of these needs it for itself.
   */
  async pinPlanned(job: string, image: PlannedImage, untilEpochMs: number, signal: AbortSignal): Promise<void> {
    const { upstream, repository, tag, digest, manifests } = image
    const target = tag === null ? ({ kind: 'digest', digest } as const) : ({ kind: 'tag', tag } as const)
    const content = await readContent(this.#deps.images, image, manifests, signal)
    await this.#put({ upstream, repository, target }, job, content, untilEpochMs)
  }

  /** Takes away what a job has pinned; what others pinned of the same images stays. */
  async unpinJob(job: string): Promise<void> {
    await this.#deps.book.remove((pin) => pin.job === job)
  }

  /** Takes away every pin of a reference, jobs' as well; answers whether there was one. */
  unpin(text: string): Promise<boolean> {
    const reference = referenceText(this.#parse(text))
    return this.#deps.book.remove((pin) => pin.reference === reference)
  }

  #parse(text: string): Reference {
    const reference = parseReference(text, this.#options.defaultUpstream, (word) => this.#deps.images.knows(word))
    if (this.#deps.images.knows(reference.upstream)) return reference
    const message = `"${text}": no upstream is called ${reference.upstream} (see upstreams in the configuration)`
    throw new ShoalError('REFERENCE_INVALID', message)
  }

  async #put(reference: Reference, job: string | null, content: ImageContent, untilEpochMs: number): Promise<Pin> {
    const { manifests, blobs } = content
    // the first manifest is the one that was named
    const { digest } = manifests[0]!
    const pin = { reference: referenceText(reference), job, digest, blobs: [...manifests, ...blobs], untilEpochMs }
    await this.#deps.book.put(pin)
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

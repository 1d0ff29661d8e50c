import { sumOf } from '../base/sum.ts'
import type { ContentSource } from '../blob/interface.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor, Manifest } from '../oci/manifest.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import type { PullTrace } from './pull-traces.ts'

/** Without a request for this long, a pull has ended: runtimes take what they lack without longer pauses. */
export const PULL_QUIET_MS = 30_000
/** Pulls that are followed at once; the one quiet for longest ends for another. */
const MOST_PULLS = 256
/** Blobs and manifests that one pull is held to: twice what an image may have. */
const MOST_PARTS = 512

/**
 * How a pull ended:
 * - `done`: all that its runtime asked for was served; what the runtime had already it did not ask for.
 * - `checked`: only its manifests were asked for, as runtimes do to see whether a tag has moved.
 * - `refused`: something was answered with an error, so that the runtime goes to the registry itself.
 * - `failed`: a body was cut short here, and not asked for again.
 * - `left`: the runtime left in the middle of a body, and did not come back.
 */
export const PULL_RESULTS = ['done', 'checked', 'refused', 'failed', 'left'] as const
export type PullResult = (typeof PULL_RESULTS)[number]

/** How a request ended, of those that tell of a pull. */
export type PartEnding = 'whole' | 'cut' | 'left' | 'refused'

export type BytesBySource = Readonly<Record<ContentSource, number>>

export const NO_BYTES: BytesBySource = { local: 0, peer: 0, home: 0, parent: 0, origin: 0 }

/** Who asks for what: pulls are told apart by it. */
export interface PullAsker {
  /** The client's address. */
  readonly client: string
  readonly runtime: string
  readonly upstream: string
  readonly repository: string
}

/** What a request is for. `manifest` is undefined where it was refused, or cannot be read. */
export type PullPart =
  | {
      readonly kind: 'manifest'
      readonly target: TagOrDigest
      readonly digest: Digest | undefined
      readonly manifest: Manifest | undefined
    }
  | { readonly kind: 'blob'; readonly digest: Digest }

export interface PullReport extends PullAsker {
  /** As it was asked for; undefined when only blobs were. */
  readonly tag: string | undefined
  readonly digest: Digest | undefined
  readonly result: PullResult
  /** From its first request to the end of its last. */
  readonly seconds: number
  /** Content sent to the runtime, by where this host had it from. */
  readonly bytes: BytesBySource
  readonly trace: PullTrace | undefined
}

/** How a request comes in. */
interface Beginning {
  readonly startedAt: number
  /** Whether it may begin a pull. */
  readonly opens: boolean
  /** What it was timed under until now. */
  readonly trace?: PullTrace | undefined
}

interface BlobProgress {
  sent: number
  ending: PartEnding | undefined
}

/** A pull that has begun and not ended. */
export class OpenPull {
  readonly asker: PullAsker
  readonly startedAt: number
  readonly trace: PullTrace | undefined
  tag: string | undefined
  digest: Digest | undefined
  /** The end of its last request, or the begin of one that runs. */
  lastAt: number
  running = 0
  refused = false
  /** Manifests it was served, or told of. */
  readonly manifests = new Set<Digest>()
  /** The blobs its images consist of. */
  readonly expected = new Map<Digest, number>()
  readonly blobs = new Map<Digest, BlobProgress>()
  readonly bytes: Record<ContentSource, number> = { ...NO_BYTES }

  constructor(asker: PullAsker, now: number, trace: PullTrace | undefined) {
    this.asker = asker
    this.trace = trace
    if (trace !== undefined) trace.isTaken = true
    this.startedAt = now
    this.lastAt = now
  }

  /** Whether all of its images has been sent. */
  get isWhole(): boolean {
    if (this.expected.size === 0 || this.running > 0) return false
    return [...this.expected].every(([digest, size]) => {
      const blob = this.blobs.get(digest)
      return blob?.ending === 'whole' && blob.sent >= size
    })
  }

  get result(): PullResult {
    const endings = [...this.blobs.values()].map(({ ending }) => ending)
    if (this.refused || endings.includes('refused')) return 'refused'
    if (endings.includes('cut')) return 'failed'
    if (endings.includes('left')) return 'left'
    return this.blobs.size === 0 ? 'checked' : 'done'
  }

  report(): PullReport {
    const { asker, tag, digest, result, bytes, trace } = this
    const seconds = (this.lastAt - this.startedAt) / 1000
    return { ...asker, tag, digest, result, seconds, bytes: { ...bytes }, trace }
  }
}

/**
 * Tells pulls from requests: what one client asks of one repository, from a manifest until the blobs it names have been
 * served, or until nothing more is asked for. A decision apart from time and I/O; a report comes out once for each pull.
 */
export class Pulls {
  /** Quiet for longest first. */
  readonly #open = new Set<OpenPull>()

  get size(): number {
    return this.#open.size
  }

  /**
   * The pull that a request belongs to, which it may begin; `startedAt` is when the request came. Undefined for a blob that
   * is only looked at or refused: that begins none. `ended` has then to be called. Pushed out: the report of a pull that
   * had to end for it.
   */
  begin(
    asker: PullAsker,
    part: PullPart,
    { startedAt, opens, trace }: Beginning,
  ): { readonly pull: OpenPull | undefined; readonly pushedOut: PullReport | undefined } {
    const known = this.#find(asker, part)
    if (known === undefined && !opens) return { pull: undefined, pushedOut: undefined }
    const pushedOut = known === undefined ? this.#makeRoom() : undefined
    const pull = known ?? new OpenPull(asker, startedAt, trace)
    pull.running++
    this.#touch(pull, Math.max(pull.lastAt, startedAt))
    if (part.kind === 'manifest') noteManifest(pull, part)
    return { pull, pushedOut }
  }

  /** A request of a pull has ended: with this many bytes sent, by source. The report, if the pull has ended with it. */
  ended(
    pull: OpenPull,
    part: PullPart,
    { ending, bytes, now }: { readonly ending: PartEnding; readonly bytes: BytesBySource; readonly now: number },
  ): PullReport | undefined {
    pull.running--
    for (const [source, count] of Object.entries(bytes) as [ContentSource, number][]) pull.bytes[source] += count
    if (part.kind === 'manifest') pull.refused ||= ending === 'refused'
    else noteBlob(pull, part.digest, { ending, sent: sumOf(bytes) })
    if (!this.#open.has(pull)) return undefined
    this.#touch(pull, now)
    return pull.isWhole ? this.#end(pull) : undefined
  }

  /** Whether a pull that has begun has still to be served a blob of its images. */
  expects(digest: Digest): boolean {
    return [...this.#open].some((pull) => pull.expected.has(digest) && pull.blobs.get(digest)?.ending !== 'whole')
  }

  /** The reports of pulls that have been quiet for too long. */
  expire(now: number): PullReport[] {
    const quiet = [...this.#open].filter(({ running, lastAt }) => running === 0 && now - lastAt >= PULL_QUIET_MS)
    return quiet.map((pull) => this.#end(pull))
  }

  /** The reports of all, as they stand. */
  endAll(): PullReport[] {
    return [...this.#open].map((pull) => this.#end(pull))
  }

  #find(asker: PullAsker, part: PullPart): OpenPull | undefined {
    const own = [...this.#open].filter((pull) => isSameAsker(pull.asker, asker)).reverse()
    if (part.kind === 'blob') return own.find(({ expected }) => expected.has(part.digest)) ?? own[0]
    const { target } = part
    if (target.kind === 'tag') return own.find(({ tag }) => tag === target.tag)
    return own.find(({ manifests }) => manifests.has(target.digest))
  }

  #touch(pull: OpenPull, now: number): void {
    pull.lastAt = now
    this.#open.delete(pull)
    this.#open.add(pull)
  }

  #makeRoom(): PullReport | undefined {
    const [longest] = this.#open
    return longest === undefined || this.#open.size < MOST_PULLS ? undefined : this.#end(longest)
  }

  #end(pull: OpenPull): PullReport {
    this.#open.delete(pull)
    return pull.report()
  }
}

function noteManifest(pull: OpenPull, { target, digest, manifest }: Extract<PullPart, { kind: 'manifest' }>): void {
  if (target.kind === 'tag') pull.tag ??= target.tag
  if (digest !== undefined) {
    pull.digest ??= digest
    if (pull.manifests.size < MOST_PARTS) pull.manifests.add(digest)
  }
  if (manifest?.kind === 'index') {
    for (const child of manifest.manifests.slice(0, MOST_PARTS)) pull.manifests.add(child.digest)
  } else if (manifest !== undefined) {
    for (const { digest: blob, size } of partsOf(manifest)) {
      if (pull.expected.size < MOST_PARTS) pull.expected.set(blob, size)
    }
  }
}

function partsOf(manifest: Exclude<Manifest, { kind: 'index' }>): readonly Descriptor[] {
  return manifest.kind === 'image' ? [manifest.config, ...manifest.layers] : manifest.blobs
}

/** The last word counts: what was cut or left is mended by a request that goes on. */
function noteBlob(pull: OpenPull, digest: Digest, { ending, sent }: { ending: PartEnding; sent: number }): void {
  const known = pull.blobs.get(digest)
  if (known !== undefined) {
    known.sent += sent
    known.ending = ending
  } else if (pull.blobs.size < MOST_PARTS) pull.blobs.set(digest, { sent, ending })
}

function isSameAsker(a: PullAsker, b: PullAsker): boolean {
  const isSameImage = a.upstream === b.upstream && a.repository === b.repository
  return isSameImage && a.client === b.client && a.runtime === b.runtime
}

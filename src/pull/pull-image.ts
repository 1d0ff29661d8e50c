import { systemClock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor, Manifest, Platform } from '../oci/manifest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { platformOf } from '../oci/platform.ts'
import { tagOrDigestText } from '../oci/reference.ts'
import type { BytesFrom } from './blob-sources.ts'
import { bytesFrom, mainSource } from './blob-sources.ts'
import { choosePlatform } from './choose-platform.ts'
import { fetchBlob } from './fetch-blob.ts'
import { ImageLayout } from './image-layout.ts'
import type { FetchedManifest } from './mirror-client.ts'
import { MirrorClient } from './mirror-client.ts'
import type { PullTarget } from './options.ts'
import { pullTargetText } from './options.ts'
import { withRetries } from './retry.ts'

/** As many layers at a time as a Docker daemon takes by default. */
const LAYERS_AT_ONCE = 3
/** An index may list indexes; nobody nests deeper. */
const MAX_INDEX_DEPTH = 4

export interface PullOptions {
  /** The mirror's URL; a path before `/v2` is kept. */
  readonly mirror: string
  readonly target: PullTarget
  /** Which image of an index; this machine's by default. */
  readonly platform?: Platform | undefined
  /** A directory to write an OCI image layout to; without one the content is verified and dropped. */
  readonly output?: string | undefined
  /** How often anything is asked for before the pull fails; six times by default. */
  readonly attempts?: number | undefined
  readonly onProgress?: ((progress: BlobProgress) => void) | undefined
  readonly signal: AbortSignal
}

/** `started` once a blob's turn has come, `moved` as bytes arrive, `done` at its end. */
export interface BlobProgress {
  readonly state: 'started' | 'moved' | 'done'
  readonly digest: Digest
  readonly size: number
  /** Bytes received so far. */
  readonly received: number
  readonly from?: BytesFrom | undefined
}

interface PulledBlob {
  readonly digest: Digest
  readonly bytes: number
  readonly seconds: number
  /** Where most of it came from, as the mirror says; `output` when it was in the layout already; null when not said. */
  readonly source: string | null
  /** All of it. */
  readonly from: BytesFrom
}

export interface PullResult {
  readonly reference: string
  /** What the reference stands for: an index or a manifest. */
  readonly digest: Digest
  /** The platform's own manifest. */
  readonly manifest: Digest
  /** Manifests, config and layers. */
  readonly bytes: number
  readonly seconds: number
  readonly mibPerSecond: number
  readonly blobs: readonly PulledBlob[]
}

/**
 * Pulls one image through a mirror the way a container runtime does, proving every size and digest. Throws
 * `UNAVAILABLE`, `ORIGIN_DENIED`, `CONTENT_CORRUPT`, `MANIFEST_INVALID`, or the signal's reason.
 */
export async function pullImage(options: PullOptions): Promise<PullResult> {
  await using client = new MirrorClient(options.mirror, options.target)
  const layout = options.output === undefined ? undefined : await ImageLayout.open(options.output)
  const startedAt = systemClock.now()
  const { top, image, manifests } = await findImage(client, options)
  // One config and three layers at a time, like a daemon; the first failure stops the others.
  const failed = new AbortController()
  const pull: BlobPull = {
    startedAt,
    client,
    layout,
    options,
    signal: AbortSignal.any([options.signal, failed.signal]),
  }
  const pulled = new Map<Digest, PulledBlob>()
  const order = uniqueBlobs(image.parsed)
  const queue = [...order]
  const work = async (): Promise<void> => {
    for (let blob = queue.shift(); blob !== undefined; blob = queue.shift()) {
      pulled.set(blob.digest, await pullBlob(pull, blob))
    }
  }
  const stopOthers = (error: unknown): never => {
    failed.abort(error)
    throw error
  }
  const workers = Array.from({ length: LAYERS_AT_ONCE }, () => work().catch(stopOthers))
  const outcomes = await Promise.allSettled(workers)
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure !== undefined) throw failed.signal.aborted ? failed.signal.reason : failure.reason
  await layout?.tag(tagOrDigestText(options.target.target), await storeManifest(layout, image, options))
  const seconds = (systemClock.now() - startedAt) / 1000
  const blobs = order.flatMap(({ digest }) => pulled.get(digest) ?? [])
  const bytes = [...manifests.map((one) => one.bytes.length), ...blobs.map((blob) => blob.bytes)].reduce(
    (a, b) => a + b,
  )
  const reference = pullTargetText(options.target)
  const mibPerSecond = bytes / 1024 / 1024 / seconds
  return { reference, digest: top.digest, manifest: image.digest, bytes, seconds, mibPerSecond, blobs }
}

interface FoundImage extends FetchedManifest {
  readonly parsed: Manifest & { readonly kind: 'image' }
}

interface BlobPull {
  /** When the pull of its image began. */
  readonly startedAt: number
  readonly client: MirrorClient
  readonly layout: ImageLayout | undefined
  readonly options: PullOptions
  readonly signal: AbortSignal
}

async function findImage(
  client: MirrorClient,
  { platform, attempts, signal }: PullOptions,
): Promise<{ top: FetchedManifest; image: FoundImage; manifests: FetchedManifest[] }> {
  const wanted = platform ?? platformOf(process.arch)
  // Where nobody listens at all, the user should hear of it soon.
  const resolved = await withRetries(() => client.resolve(signal), signal, Math.min(2, attempts ?? 2))
  const top = await withRetries(() => client.manifest(resolved, signal), signal, attempts)
  const manifests = [top]
  for (let current = top; manifests.length <= MAX_INDEX_DEPTH; manifests.push(current)) {
    const parsed = parseManifest(current.bytes)
    if (parsed.kind === 'image') return { top, image: { ...current, parsed }, manifests }
    if (parsed.kind === 'artifact')
      throw new ShoalError('MANIFEST_INVALID', `${current.digest} is an artifact, no image`)
    const { digest } = choosePlatform(parsed.manifests, wanted)
    current = await withRetries(() => client.manifest(digest, signal), signal, attempts)
  }
  throw new ShoalError('MANIFEST_INVALID', `${top.digest}: indexes nested more than ${MAX_INDEX_DEPTH} deep`)
}

async function pullBlob(pull: BlobPull, blob: Descriptor): Promise<PulledBlob> {
  const { client, layout, options, signal } = pull
  const { digest, size } = blob
  const startedAt = systemClock.now()
  const report = (state: BlobProgress['state'], received: number, from?: BytesFrom): void =>
    options.onProgress?.({ state, digest, size, received, from })
  const finish = (from: BytesFrom, seconds: number): PulledBlob => {
    report('done', size, from)
    return { digest, bytes: size, seconds, source: mainSource(from), from }
  }
  report('started', 0)
  if ((await layout?.has(blob)) === true) return finish({ output: size }, secondsSince(startedAt))
  let received = 0
  const fetchInto = (sink: (chunk: Uint8Array) => Promise<void>): ReturnType<typeof fetchBlob> =>
    fetchBlob(
      client,
      blob,
      async (chunk) => {
        await sink(chunk)
        received += chunk.length
        report('moved', received)
      },
      { signal, attempts: options.attempts },
    )
  const { source } = layout === undefined ? await fetchInto(async () => {}) : await layout.write(blob, fetchInto)
  const seconds = secondsSince(startedAt)
  // the pull has succeeded: what is only told may be missing
  const known = source === undefined ? undefined : await client.received(digest, signal).catch(() => undefined)
  return finish(bytesFrom(size, source, known, secondsSince(pull.startedAt)), seconds)
}

function secondsSince(startedAt: number): number {
  return (systemClock.now() - startedAt) / 1000
}

/** An empty layer, say, may stand in a manifest many times. */
function uniqueBlobs(image: FoundImage['parsed']): Descriptor[] {
  return [...new Map([image.config, ...image.layers].map((blob) => [blob.digest, blob])).values()]
}

async function storeManifest(layout: ImageLayout, image: FoundImage, options: PullOptions): Promise<Descriptor> {
  const { digest, bytes, parsed } = image
  const descriptor = { mediaType: parsed.mediaType, digest, size: bytes.length }
  await layout.write(descriptor, (sink) => sink(bytes))
  options.signal.throwIfAborted()
  return descriptor
}

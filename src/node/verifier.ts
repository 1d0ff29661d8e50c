import type { VerifiedDamage, VerifySource, VerifyView } from '../admin/index.ts'
import { abortError } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import { parseDigest } from '../oci/digest.ts'
import { MAX_MANIFEST_BYTES, manifestChildren, parseManifest } from '../oci/manifest.ts'
import { parseReference } from '../oci/reference.ts'
import type { ImageSource } from '../pins/index.ts'
import type { BlobStore } from '../store/index.ts'
import { checkBlob } from '../store/index.ts'

/** Damaged blobs, and pieces of one, that a view lists. */
const MOST_LISTED = 1_000
const MOST_PIECES = 100

interface VerifierDeps {
  readonly store: BlobStore
  readonly images: Pick<ImageSource, 'manifest'>
  readonly clock: Clock
  readonly logger: Logger
  readonly defaultUpstream: () => string
}

interface Run {
  readonly startedEpochMs: number
  readonly digests: readonly Digest[]
  readonly totalBytes: number
  readonly stop: AbortController
  readonly damaged: Omit<VerifiedDamage, 'wholeAgain'>[]
  readonly absent: Digest[]
  checkedBlobs: number
  checkedBytes: number
  state: VerifyView['state']
}

/** Compares what is stored when it is asked to, all or some of it, one run at a time. What it finds is dropped and fetched again. */
export class Verifier implements VerifySource, AsyncDisposable {
  readonly #deps: VerifierDeps
  #run: Run | undefined
  #running: Promise<void> | undefined

  constructor(deps: VerifierDeps) {
    this.#deps = deps
  }

  async start(targets: readonly string[], signal: AbortSignal): Promise<VerifyView> {
    if (this.#running !== undefined) throw new ShoalError('UNAVAILABLE', 'a verification is running here already')
    const { store, clock } = this.#deps
    const everything = store.list().flatMap(({ digest, state }) => (state === 'complete' ? [digest] : []))
    const digests = targets.length === 0 ? everything : await this.#digests(targets, signal)
    if (this.#running !== undefined) throw new ShoalError('UNAVAILABLE', 'a verification is running here already')
    const run: Run = {
      startedEpochMs: clock.wall(),
      digests,
      totalBytes: digests.reduce((sum, digest) => sum + (store.size(digest) ?? 0), 0),
      stop: new AbortController(),
      damaged: [],
      absent: [],
      checkedBlobs: 0,
      checkedBytes: 0,
      state: 'running',
    }
    this.#run = run
    this.#running = this.#work(run).finally(() => {
      this.#running = undefined
    })
    return this.#view(run)
  }

  view(): VerifyView | undefined {
    return this.#run === undefined ? undefined : this.#view(this.#run)
  }

  async stop(): Promise<void> {
    this.#run?.stop.abort(abortError('stopped'))
    await this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Never rejects. */
  async #work(run: Run): Promise<void> {
    const { store, logger } = this.#deps
    const { signal } = run.stop
    const pace = async (bytes: number): Promise<void> => {
      signal.throwIfAborted()
      run.checkedBytes += bytes
    }
    try {
      for (const digest of run.digests) {
        signal.throwIfAborted()
        const sizeBytes = store.size(digest) ?? 0
        const check = await checkBlob(store, digest, pace)
        run.checkedBlobs++
        if (check.kind === 'absent') run.absent.push(digest)
        else if (check.kind === 'damaged' && run.damaged.length < MOST_LISTED) {
          run.damaged.push({ digest, sizeBytes, pieces: check.pieces.slice(0, MOST_PIECES) })
        }
      }
      run.state = 'done'
    } catch (error) {
      run.state = 'stopped'
      if (!signal.aborted) logger.error({ err: error }, 'the store could not be verified')
    }
    logger.info({ blobs: run.checkedBlobs, damaged: run.damaged.length, state: run.state }, 'the store was verified')
  }

  #view(run: Run): VerifyView {
    const { store } = this.#deps
    return {
      state: run.state,
      startedEpochMs: run.startedEpochMs,
      blobs: { total: run.digests.length, checked: run.checkedBlobs },
      bytes: { total: run.totalBytes, checked: run.checkedBytes },
      damaged: run.damaged.map((damage) => ({
        ...damage,
        wholeAgain: store.size(damage.digest as Digest) !== undefined,
      })),
      absent: run.absent.slice(0, MOST_LISTED),
    }
  }

  /** Throws `REFERENCE_INVALID`, and `UNAVAILABLE` or the like for an image that nobody knows. */
  async #digests(targets: readonly string[], signal: AbortSignal): Promise<Digest[]> {
    const digests = new Set<Digest>()
    for (const target of targets) {
      const digest = parseDigest(target)
      if (digest !== undefined) digests.add(digest)
      else await this.#addImage(target, digests, signal)
    }
    return [...digests]
  }

  async #addImage(text: string, digests: Set<Digest>, signal: AbortSignal): Promise<void> {
    const { images, defaultUpstream } = this.#deps
    const top = await images.manifest(parseReference(text, defaultUpstream()), signal)
    await this.#addManifest(top, digests)
  }

  /** Of an index, the images that are here. */
  async #addManifest({ digest, bytes }: { digest: Digest; bytes: Uint8Array }, digests: Set<Digest>): Promise<void> {
    if (digests.has(digest)) return
    digests.add(digest)
    const manifest = parseManifest(bytes)
    for (const child of manifestChildren(manifest)) {
      if (manifest.kind !== 'index') {
        digests.add(child.digest)
        continue
      }
      const inner = await this.#deps.store.readSmall(child.digest, MAX_MANIFEST_BYTES)
      if (inner !== undefined) await this.#addManifest({ digest: child.digest, bytes: inner }, digests)
    }
  }
}

import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { errorText, ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobStore, StoreDamage } from '../store/index.ts'
import type { Transfers } from '../transfer/index.ts'
import { transferEnded } from '../transfer/index.ts'
import type { GrantedTo, Grants } from './grants.ts'
import type { Manifests } from './manifests.ts'

/** Damaged blobs that may wait; whatever is beyond is fetched again when somebody asks for it. */
const MOST_WAITING = 1_024
/** A blob that cannot be had now is tried again a few times; after that, when somebody asks for it. */
const RETRY_MS: readonly number[] = [5_000, 60_000, 600_000]
const FETCH_MS = 30 * 60_000

export interface MenderDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly store: BlobStore
  readonly transfers: Transfers
  readonly manifests: Manifests
  readonly grants: Pick<Grants, 'holders'>
  /** Whether an upstream's content is fetched in the fleet's name: a client's own rights are not ours to use again. */
  readonly fetchable: (upstream: string) => boolean
}

/**
 * Fetches again, in the background and one at a time, what was found damaged on disk: pinned and prewarmed images stay
 * whole, and a cache has its blobs back before a host asks. Whoever asks meanwhile shares the transfer.
 */
export class Mender implements AsyncDisposable {
  readonly #deps: MenderDeps
  readonly #waiting = new Map<Digest, number>()
  readonly #stop = new AbortController()
  readonly #listening: Disposable
  #running: Promise<void> | undefined

  constructor(deps: MenderDeps) {
    this.#deps = deps
    this.#listening = deps.store.onDamage((damage) => this.#add(damage))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening[Symbol.dispose]()
    this.#stop.abort(new DOMException('stopping', 'AbortError'))
    await this.#running
  }

  #add({ digest, size }: StoreDamage): void {
    if (this.#waiting.size >= MOST_WAITING || this.#stop.signal.aborted) return
    this.#waiting.set(digest, size)
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    for (const [digest, size] of this.#waiting) {
      await this.#patiently(digest, size).catch((error: unknown) => {
        if (this.#stop.signal.aborted) return
        this.#deps.logger.warn({ digest, err: errorText(error) }, 'a damaged blob was not fetched again')
      })
      this.#waiting.delete(digest)
      if (this.#stop.signal.aborted) return
    }
  }

  async #patiently(digest: Digest, size: number): Promise<void> {
    const { clock, store } = this.#deps
    const { signal } = this.#stop
    for (let tries = 0; store.size(digest) === undefined; tries++) {
      try {
        await this.#fetch(digest, size)
        return
      } catch (error) {
        const waitMs = RETRY_MS[tries]
        if (signal.aborted || waitMs === undefined) throw error
        await sleep(clock, waitMs, signal)
      }
    }
  }

  /** By the first of those who may read it that gets it. */
  async #fetch(digest: Digest, size: number): Promise<void> {
    const { grants, fetchable } = this.#deps
    let failure: unknown = new ShoalError('UNAVAILABLE', 'it is not known which repository has it')
    for (const granted of await grants.holders(digest)) {
      if (!fetchable(granted.upstream)) continue
      try {
        return await this.#fetchFrom(granted, digest, size)
      } catch (error) {
        this.#stop.signal.throwIfAborted()
        failure = error
      }
    }
    throw failure
  }

  async #fetchFrom({ kind, upstream, repository }: GrantedTo, digest: Digest, size: number): Promise<void> {
    const { manifests, transfers } = this.#deps
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(FETCH_MS)])
    if (kind === 'manifest') {
      const outcome = await manifests.find({ upstream, repository, target: { kind: 'digest', digest } }, signal)
      if (!outcome.ok) throw new ShoalError('UNAVAILABLE', outcome.message)
    } else {
      const opened = await transfers.open({ upstream, repository, digest, size, background: true }, signal)
      if (opened.kind === 'refused') throw new ShoalError('UNAVAILABLE', opened.message)
      if (opened.kind === 'transfer') await transferEnded(opened.transfer, signal)
      const { failure } = opened.kind === 'transfer' ? opened.transfer : {}
      if (failure !== undefined) throw failure
    }
    this.#deps.logger.info({ digest }, 'a damaged blob is whole again')
  }
}

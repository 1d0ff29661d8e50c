import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { errorOf, isRefused } from '../base/outcome.ts'
import { retry } from '../base/retry.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobStore, StoreDamage } from '../store/index.ts'
import { OWN_CLIENT } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import { transferEnded } from '../transfer/index.ts'
import type { GrantedTo, Grants } from './grants.ts'
import type { Manifests } from './manifests.ts'

/** Damaged blobs that may wait; whatever is beyond is fetched again when somebody asks for it. */
const MOST_WAITING = 1_024
/** A blob that cannot be had now is tried again a few times; after that, when somebody asks for it. */
const RETRY_MS: readonly number[] = [5_000, 60_000, 600_000]
const FETCH_MS = 30 * 60_000

interface MenderDeps {
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
  readonly #tasks: TaskGroup
  readonly #listening: Disposable

  constructor(deps: MenderDeps) {
    this.#deps = deps
    this.#tasks = new TaskGroup(deps.logger)
    this.#listening = deps.store.onDamage((damage) => this.#add(damage))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening[Symbol.dispose]()
    await this.#tasks.stop()
  }

  #add({ digest, size }: StoreDamage): void {
    if (this.#waiting.size >= MOST_WAITING) return
    this.#waiting.set(digest, size)
    if (this.#tasks.size === 0) void this.#tasks.run('damaged blobs are fetched again no longer', () => this.#mend())
  }

  async #mend(): Promise<void> {
    const { clock, store, logger } = this.#deps
    const { signal } = this.#tasks
    for (const [digest, size] of this.#waiting) {
      const attempt = async (): Promise<void> => {
        if (store.size(digest) === undefined) await this.#fetch(digest, size)
      }
      await retry(attempt, { clock, waitsMs: RETRY_MS, signal, isPassing: () => true }).catch((error: unknown) => {
        signal.throwIfAborted()
        logger.warn({ digest, err: error }, 'a damaged blob was not fetched again')
      })
      this.#waiting.delete(digest)
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
        this.#tasks.signal.throwIfAborted()
        failure = error
      }
    }
    throw failure
  }

  async #fetchFrom({ kind, upstream, repository }: GrantedTo, digest: Digest, size: number): Promise<void> {
    const { manifests, transfers } = this.#deps
    const signal = AbortSignal.any([this.#tasks.signal, AbortSignal.timeout(FETCH_MS)])
    if (kind === 'manifest') {
      const outcome = await manifests.find(
        { upstream, repository, target: { kind: 'digest', digest } },
        OWN_CLIENT,
        signal,
      )
      if (isRefused(outcome)) throw errorOf(outcome)
    } else {
      const opened = await transfers.open({ upstream, repository, digest, size, background: true }, signal)
      if (opened.kind === 'refused') throw errorOf(opened)
      if (opened.kind === 'transfer') await transferEnded(opened.transfer, signal)
      const { failure } = opened.kind === 'transfer' ? opened.transfer : {}
      if (failure !== undefined) throw failure
    }
    this.#deps.logger.info({ digest }, 'a damaged blob is whole again')
  }
}

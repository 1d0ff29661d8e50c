import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { TaskGroup } from '../base/task-group.ts'
import type { Digest } from '../oci/digest.ts'
import type { ImageSource } from '../pins/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import { transferEnded } from '../transfer/index.ts'
import type { JobRow, Plan, PlannedBlob } from './interface.ts'

const BLOBS_AT_ONCE = 4
/** The ranking changes with the caches: what this one stands in for is looked at again this often. */
const AGAIN_MS = 5_000

interface ReplicasDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly tier: Tier
  readonly store: BlobStore
  readonly transfers: Transfers
  readonly images: ImageSource
}

/**
 * Keeps a second copy of a running job's blobs in the region's tier: each blob's stand-in takes it from its home, through
 * the swarm. A home that dies would else leave its stand-in to read the origin once more. Also sees to it that every
 * cache knows the manifests, and with them who may read what, so that none of them has to ask the origin.
 */
export class Replicas implements AsyncDisposable {
  readonly #deps: ReplicasDeps
  readonly #running = new Map<string, TaskGroup>()

  constructor(deps: ReplicasDeps) {
    this.#deps = deps
  }

  /** Works for the job while it runs, and no longer. */
  follow(row: JobRow, plan: Plan | undefined): void {
    const running = this.#running.get(row.id)
    if (row.state !== 'running' || plan === undefined) return void running?.stop('the job rests')
    if (running !== undefined) return
    const group = new TaskGroup(this.#deps.logger)
    this.#running.set(row.id, group)
    void group
      .run('second copies of prewarmed blobs are made no longer', (signal) => this.#run(row.id, plan, signal))
      .then(() => this.#running.delete(row.id))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((group) => group.stop()))
  }

  async #run(job: string, plan: Plan, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#manifests(plan, signal)
        const left = plan.blobs.filter(({ digest }) => this.#standsIn(digest)).values()
        const fetchSome = async (): Promise<void> => {
          for (const blob of left) await this.#fetch(plan, blob, signal)
        }
        await Promise.all(Array.from({ length: BLOBS_AT_ONCE }, fetchSome))
      } catch (error) {
        signal.throwIfAborted()
        this.#deps.logger.debug({ job, err: error }, 'no second copy of a blob yet')
      }
      await sleep(this.#deps.clock, AGAIN_MS, signal)
    }
  }

  async #manifests({ images }: Plan, signal: AbortSignal): Promise<void> {
    for (const { upstream, repository, manifests } of images) {
      for (const digest of manifests) {
        await this.#deps.images.manifest({ upstream, repository, target: { kind: 'digest', digest } }, signal)
      }
    }
  }

  #standsIn(digest: Digest): boolean {
    const { store, tier } = this.#deps
    return !store.isKept(digest) && tier.homes(digest)[1]?.kind === 'self'
  }

  async #fetch({ images }: Plan, { digest, size, image }: PlannedBlob, signal: AbortSignal): Promise<void> {
    const of = images[image]
    if (of === undefined) return
    const { upstream, repository } = of
    const opened = await this.#deps.transfers.open({ upstream, repository, digest, size, background: true }, signal)
    if (opened.kind === 'transfer') await transferEnded(opened.transfer, signal)
  }
}

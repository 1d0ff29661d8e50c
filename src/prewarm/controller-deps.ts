import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Orders } from '../orders/index.ts'
import type { ImageSource } from '../pins/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import type { JobRow } from './interface.ts'
import type { PrewarmMessenger } from './requests.ts'

/** What a cache's side of prewarm works with. */
export interface ControllerDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly tier: Tier
  readonly store: BlobStore
  readonly transfers: Transfers
  readonly messenger: PrewarmMessenger
  readonly images: ImageSource
  readonly orders: Pick<Orders, 'provenFor'>
  /** Told of every job that begins or changes its state. */
  readonly jobChanged?: ((row: JobRow) => void) | undefined
}

import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { BlobStore } from '../store/index.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import type { ImageSource } from './interface.ts'
import type { Orders } from './orders.ts'
import type { Post } from './post.ts'

/** What a cache's side of prewarm works with. */
export interface DeskDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly tier: Tier
  readonly store: BlobStore
  readonly transfers: Transfers
  readonly post: Post
  readonly images: ImageSource
  readonly orders: Pick<Orders, 'specOf'>
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number
}

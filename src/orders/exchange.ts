import type { Logger } from '../base/log.ts'
import type { Swarm } from '../swarm/index.ts'
import type { Tier } from '../tier/index.ts'
import { CacheRoutes } from './cache-routes.ts'
import { Messenger } from './messenger.ts'
import type { Orders } from './orders.ts'
import type { ReceiverDeps } from './receiver.ts'
import { Receiver } from './receiver.ts'
import type { MessageTable, RequestTable } from './words.ts'

/** What a room tells and asks other hosts with. Its `receiver` waits for the parts that hear and respond. */
export interface Exchange<M extends MessageTable, R extends RequestTable> {
  readonly messenger: Messenger<M, R>
  readonly routes: CacheRoutes<R>
  readonly receiver: Receiver<M, R>
}

interface ExchangeDeps<R extends RequestTable> extends Pick<ReceiverDeps<MessageTable, R>, 'refuses'> {
  readonly logger: Logger
  readonly swarm: Pick<Swarm, 'self' | 'links' | 'caches'>
  readonly tier: Tier
  readonly orders: Orders
}

/** A room's exchange, by the tables of what it says and asks. */
export function openExchange<M extends MessageTable, R extends RequestTable>(
  { messages, requests }: { readonly messages: M; readonly requests: R },
  { logger, swarm, tier, orders, refuses }: ExchangeDeps<R>,
): Exchange<M, R> {
  const here = { region: swarm.self.region, isParentRegion: (region: string) => tier.isParentRegion(region) }
  const receiver = new Receiver({ messages, requests, here, logger, orders, refuses })
  const messenger = new Messenger<M, R>({ swarm, tier, requests, receiver })
  return { receiver, messenger, routes: new CacheRoutes({ logger, tier, messenger, requests, orders, receiver }) }
}

import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { ContentService, RepositoryRef } from '../blob/interface.ts'
import type { PullQuery } from './pull-query.ts'

/** What a route needs to answer one request. */
export interface RouteContext {
  readonly content: ContentService
  readonly clock: Clock
  readonly head: boolean
  readonly headers: IncomingHttpHeaders
  readonly query: PullQuery
  /** Who to ask, in order; never empty. */
  readonly candidates: readonly RepositoryRef[]
  /** Told which of the candidates had the manifest. */
  readonly foundAt: (ref: RepositoryRef) => void
  /** Aborted when the client has left. */
  readonly client: AbortSignal
  /** Takes over work that outlives the request; awaited when the door is disposed. */
  readonly adopt: (work: PromiseLike<void>) => void
}

import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { ClientRef, ContentService } from '../blob/interface.ts'
import type { Asker } from './oci-error.ts'
import type { PullQuery } from './pull-query.ts'

/** What a route needs to answer one request. */
export interface RouteContext {
  readonly content: ContentService
  readonly clock: Clock
  readonly head: boolean
  readonly asker: Asker
  readonly headers: IncomingHttpHeaders
  readonly query: PullQuery
  /** Who to ask, in order; never empty. */
  readonly candidates: readonly ClientRef[]
  /** Told which of the candidates had the manifest. */
  readonly foundAt: (ref: ClientRef) => void
  /** Aborted when the client has left. */
  readonly client: AbortSignal
  /** Takes over work that outlives the request; awaited when the server is disposed. */
  readonly adopt: (work: PromiseLike<void>) => void
}

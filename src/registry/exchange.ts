import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { isShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Answer } from './answer.ts'
import { watchClient } from './client-watch.ts'
import type { MirrorMetrics } from './metrics.ts'
import { cannotServe, contentRoute } from './oci-error.ts'
import type { ParallelReads } from './parallel-reads.ts'
import type { PullApi, RouteLabel } from './pull-api.ts'
import type { PullTrace, PullTraces } from './pull-traces.ts'
import type { PullWatch, WatchedRequest } from './pull-watch.ts'
import type { Wire } from './send-answer.ts'
import { ClientLeft, sendAnswer } from './send-answer.ts'

export interface ExchangeDeps {
  readonly api: PullApi
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MirrorMetrics
  readonly onSent: (bytes: number) => void
  readonly parallel: ParallelReads
  readonly pulls: PullWatch
  readonly traces: PullTraces
  /** Takes over work that outlives its request. */
  readonly adopt: (work: PromiseLike<void>) => void
}

/** One request as it came in. */
interface Incoming {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The request target as received, before any rewriting. */
  readonly target: string
  /** The connection is to end with this response. */
  readonly last: boolean
}

/** What becomes known of a request, for its log line and metrics. */
interface Account {
  readonly startedAt: number
  readonly trace: PullTrace | undefined
  route: RouteLabel
  digest?: string | number | undefined
  sentBytes: number
  watched?: WatchedRequest | undefined
  /** The status of an open-ended range, whose client may leave when it has enough of it. */
  openEnded?: number | undefined
}

/** Takes one request through question, answer and bookkeeping. Never rejects. */
export async function serveExchange(deps: ExchangeDeps, incoming: Incoming): Promise<void> {
  const { clock, metrics } = deps
  const { request, response } = incoming
  const traced = deps.traces.begin(request, incoming.target)
  const { trace } = traced
  const record: Account = { startedAt: clock.now(), trace, route: 'other', sentBytes: 0 }
  using watch = watchClient(request, response)
  const wire: Wire = {
    response,
    head: request.method === 'HEAD',
    client: watch.signal,
    onSent: (bytes) => {
      if (record.sentBytes === 0 && bytes > 0 && record.route === 'blobs') {
        metrics.firstByteSeconds.observe({}, (clock.now() - record.startedAt) / 1000)
      }
      record.sentBytes += bytes
      deps.onSent(bytes)
    },
    parallel: deps.parallel,
  }
  const ending = await traced.span.within(() => exchange(deps, incoming, { record, wire }))
  const failure = ending === 'cut' ? 'the answer was cut short' : undefined
  deps.traces.answered(traced, { ending, bytes: record.sentBytes }, failure)
  record.watched?.ended(ending, record.sentBytes)
  const method = request.method === 'GET' || request.method === 'HEAD' ? request.method : 'other'
  const durationMs = clock.now() - record.startedAt
  metrics.requests.inc({ route: record.route, method, status: String(ending) })
  metrics.requestSeconds.observe({}, durationMs / 1000)
  const { route, digest, sentBytes } = record
  deps.logger.debug({ route, method, ending, digest, sentBytes, durationMs }, 'mirror request')
}

/**
 * The status sent, or how it ended otherwise: `cut` in mid-body by this mirror, or the client has left: with what it wanted of an
 * open-ended range (the status), in mid-body (`left`) or before its headers (`gone`).
 */
async function exchange(
  deps: ExchangeDeps,
  incoming: Incoming,
  { record, wire }: { readonly record: Account; readonly wire: Wire },
): Promise<number | 'cut' | 'left' | 'gone'> {
  const { request, response } = incoming
  try {
    prepare(incoming)
    const {
      route,
      answer: given,
      subject,
    } = await deps.api.answer({
      method: request.method ?? '',
      target: incoming.target,
      hostStated: request.headers.host !== undefined || request.httpVersion === '1.0',
      headers: request.headers,
      client: wire.client,
      adopt: deps.adopt,
    })
    const answer = wire.head ? deps.pulls.withReceived(given, subject) : given
    record.route = route
    record.digest = answer.headers['Docker-Content-Digest']
    record.watched = deps.pulls.answered(request, subject, answer, record)
    if ('reader' in answer.body && answer.body.openEnded !== undefined) record.openEnded = answer.status
    await sendAnswer(answer, wire)
    return answer.status
  } catch (error) {
    if (wire.client.aborted || error instanceof ClientLeft) return howLeft(response.headersSent, record)
    const cause = isShoalError(error) ? { code: error.code } : { err: error }
    if (response.headersSent) {
      // FIN in mid-body: the one end of a short body that all runtimes know how to resume from.
      request.socket.destroy()
      deps.logger.warn({ digest: record.digest, ...cause }, 'a blob ended early')
      return 'cut'
    }
    deps.logger.error({ digest: record.digest, ...cause }, 'an answer could not be sent; answered 404')
    return sendSubstitute(incoming, record.route, wire)
  }
}

/** Nobody can tell what a client wanted of an open-ended range: one that has had a part of it is taken to be content. */
function howLeft(headersSent: boolean, { openEnded, sentBytes }: Account): number | 'left' | 'gone' {
  if (!headersSent) return 'gone'
  return openEnded !== undefined && sentBytes > 0 ? openEnded : 'left'
}

function prepare({ response, last }: Incoming): void {
  response.setHeader('Docker-Distribution-API-Version', 'registry/2.0')
  if (last) response.setHeader('Connection', 'close')
}

/** For answers whose headers Node refused to write: what stands in them came from an upstream. */
async function sendSubstitute(incoming: Incoming, route: RouteLabel, wire: Wire): Promise<number | 'gone'> {
  const { response } = incoming
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  prepare(incoming)
  const answer: Answer = cannotServe(contentRoute(route), 'the upstream sent what cannot be passed on')
  try {
    await sendAnswer(answer, wire)
    return answer.status
  } catch {
    return 'gone'
  }
}

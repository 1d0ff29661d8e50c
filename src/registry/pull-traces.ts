import type { IncomingMessage } from 'node:http'
import type { Span, SpanAttributes, Tracer } from '../base/tracing.ts'
import { NO_SPAN, NO_TRACER } from '../base/tracing.ts'

/** The trace of one pull. */
export interface PullTrace {
  readonly key: string
  readonly span: Span
  requests: number
  /** A pull has turned out to be it: it ends with that. */
  isTaken: boolean
}

/** A request, in the trace of the pull that it is taken to be part of. */
interface TracedRequest {
  readonly span: Span
  /** Undefined while tracing is off. */
  readonly trace: PullTrace | undefined
}

/** What stands before a tag or digest is the same for all that a pull asks for. */
const BEFORE_TARGET = /^[^?]*\/(?=(?:manifests|blobs)\/)/
const UNTRACED: TracedRequest = { span: NO_SPAN, trace: undefined }

/**
 * Puts the requests of one pull into one trace. Which pull a request belongs to is known for sure only with its answer, when
 * the work is done: until then it is the one that the same client is at in the same repository.
 */
export class PullTraces {
  readonly #tracer: Tracer
  readonly #open = new Map<string, PullTrace>()

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  begin({ headers, method, socket }: IncomingMessage, target: string): TracedRequest {
    if (this.#tracer === NO_TRACER) return UNTRACED
    const [image = target] = BEFORE_TARGET.exec(target) ?? []
    const key = `${socket.remoteAddress} ${headers['user-agent']} ${image}`
    const trace = this.#open.get(key) ?? this.#start(key, headers.traceparent)
    trace.requests++
    return { span: trace.span.child('request', { method, target }), trace }
  }

  /** A request has been answered; where no pull has turned out to be its trace, that ends. */
  answered({ span, trace }: TracedRequest, attributes: SpanAttributes, failure: string | undefined): void {
    span.set(attributes)
    span.end(failure)
    if (trace !== undefined && --trace.requests === 0 && !trace.isTaken) this.ended(trace, {})
  }

  /** A pull has ended. */
  ended(trace: PullTrace, attributes: SpanAttributes): void {
    trace.span.set(attributes)
    trace.span.end()
    if (this.#open.get(trace.key) === trace) this.#open.delete(trace.key)
  }

  #start(key: string, traceparent: string | string[] | undefined): PullTrace {
    const span = this.#tracer.root('pull', typeof traceparent === 'string' ? traceparent : undefined)
    const trace: PullTrace = { key, span, requests: 0, isTaken: false }
    this.#open.set(key, trace)
    return trace
  }
}

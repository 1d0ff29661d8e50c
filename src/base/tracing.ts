import { AsyncLocalStorage } from 'node:async_hooks'
import { errorText } from './errors.ts'

/** What is timed of a pull, from the runtime's side inwards. */
export type SpanName = 'pull' | 'request' | 'resolve' | 'transfer' | 'origin range'

export type SpanAttributes = Readonly<Record<string, string | number | undefined>>

/** A piece of work that is timed, and what it is part of. */
export interface Span {
  /** Begins a part of it. */
  child(name: SpanName, attributes?: SpanAttributes): Span
  /** Runs work, and all that it starts, as part of it. */
  within<T>(work: () => T): T
  set(attributes: SpanAttributes): void
  /** With what went wrong, if something did. Once. */
  end(failure?: string): void
}

/** Where spans begin. */
export interface Tracer {
  /** Begins a span of its own, or one of the trace that a `traceparent` header (W3C) names. */
  root(name: SpanName, traceparent: string | undefined): Span
  /** Begins a part of the work under way; a span of its own where that is not timed. */
  begin(name: SpanName, attributes: SpanAttributes): Span
}

/** A span as it is named to others: W3C Trace Context, `traceparent`, of its version 00. */
export const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

const current = new AsyncLocalStorage<string | undefined>()

/** The span that the work under way is part of, on this host or on the one that asked for it. */
export function currentTraceparent(): string | undefined {
  return current.getStore()
}

/** Runs work, and all that it starts, as part of a span; of none without one. */
export function withTraceparent<T>(traceparent: string | undefined, work: () => T): T {
  return current.run(traceparent, work)
}

/** Nothing is timed. */
export const NO_SPAN: Span = { child: () => NO_SPAN, within: (work) => work(), set: () => {}, end: () => {} }

/** Tracing is off. */
export const NO_TRACER: Tracer = { root: () => NO_SPAN, begin: () => NO_SPAN }

/** Times work within a span, and ends that; `about` is told of what came out. */
export async function timed<T>(span: Span, work: () => Promise<T>, about: (result: T) => SpanAttributes): Promise<T> {
  try {
    const result = await span.within(work)
    span.set(about(result))
    span.end()
    return result
  } catch (error) {
    span.end(errorText(error))
    throw error
  }
}

import type { Context, Tracer as OtelTracer, SpanContext } from '@opentelemetry/api'
import { ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api'
import { parseTraceParent } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { raceAbort } from '../base/abort.ts'
import type { Span, SpanAttributes, SpanName, Tracer } from '../base/tracing.ts'
import { currentTraceparent, withTraceparent } from '../base/tracing.ts'
import { productVersion } from '../base/version.ts'

/** Where every collector takes traces, below the address that it is given by. */
const TRACES_PATH = 'v1/traces'
const LAST_WORDS_MS = 2_000

/** Sends spans to a collector by OTLP over HTTP, in batches. Loaded only where tracing is on. */
export class OtlpTracer implements Tracer, AsyncDisposable {
  readonly #provider: TracerProvider
  readonly #tracer: OtelTracer

  /** `endpoint`: of the collector; without one the OTEL_ variables of the environment say where to. */
  constructor(endpoint: string | undefined, about: { readonly role: string; readonly region: string }) {
    const url = endpoint === undefined ? undefined : new URL(TRACES_PATH, `${endpoint.replace(/\/$/, '')}/`).href
    const exporter = new OTLPTraceExporter(url === undefined ? {} : { url })
    const own = resourceFromAttributes({
      'service.name': 'shoal',
      'service.version': productVersion(),
      'shoal.role': about.role,
      'shoal.region': about.region,
    })
    // what the environment says of the service counts more
    const resource = own.merge(detectResources({ detectors: [envDetector] }))
    this.#provider = new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter })] })
    this.#tracer = this.#provider.getTracer('shoal', productVersion())
  }

  root(name: SpanName, traceparent: string | undefined): Span {
    return this.#begin(name, {}, traceparent)
  }

  begin(name: SpanName, attributes: SpanAttributes): Span {
    return this.#begin(name, attributes, currentTraceparent())
  }

  /** Sends what is left, if the collector takes it at once: nobody waits for one that is away. */
  async [Symbol.asyncDispose](): Promise<void> {
    await raceAbort(this.#provider.shutdown(), AbortSignal.timeout(LAST_WORDS_MS)).catch(() => {})
  }

  #begin(name: SpanName, attributes: SpanAttributes, parent: string | undefined): Span {
    const span = this.#tracer.startSpan(name, { attributes: prefixed(attributes) }, contextOf(parent))
    const own = traceparentOf(span.spanContext())
    return {
      child: (childName, about = {}) => this.#begin(childName, about, own),
      within: (work) => withTraceparent(own, work),
      set: (about) => void span.setAttributes(prefixed(about)),
      end: (failure) => {
        if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure })
        span.end()
      },
    }
  }
}

function contextOf(traceparent: string | undefined): Context {
  const parent = traceparent === undefined ? null : parseTraceParent(traceparent)
  return parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true })
}

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}

function prefixed(attributes: SpanAttributes): Record<string, string | number> {
  const known = Object.entries(attributes).filter((entry): entry is [string, string | number] => entry[1] !== undefined)
  return Object.fromEntries(known.map(([key, value]) => [`shoal.${key}`, value]))
}

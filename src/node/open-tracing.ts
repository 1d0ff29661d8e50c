import type { Tracer } from '../base/tracing.ts'
import { NO_TRACER } from '../base/tracing.ts'
import type { Config } from '../config/index.ts'

/** With either of these in the environment, OpenTelemetry's programs send traces. */
const ENDPOINTS = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const

/** The tracer that the configuration or the environment asks for; its libraries are loaded only then. */
export async function openTracing(
  { tracing, role, tier }: Config,
  env: Readonly<Record<string, string | undefined>>,
  stack: AsyncDisposableStack,
): Promise<Tracer> {
  const asked = tracing.endpoint !== null || ENDPOINTS.some((name) => (env[name] ?? '') !== '')
  if (!asked || env.OTEL_SDK_DISABLED === 'true') return NO_TRACER
  const { OtlpTracer } = await import('./otlp-tracer.ts')
  return stack.use(new OtlpTracer(tracing.endpoint ?? undefined, { role, region: tier.region }))
}

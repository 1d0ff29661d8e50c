/*
 * One host, put together from all rooms, and what only the whole knows.
 *
 *   node            opens and closes it: open-ground (open-trust, open-swarm: what all stand on), open-services (what answers for content),
 *                   open-fleet-work (open-orders, open-prewarm, prewarm-entrances), open-servers (open-admin)
 *   open-host       one without servers          node-deps  what a process gives it
 *   protocol        what links carry             swarm-hub  peers before and after anybody listens
 *   live-config     the configuration read again: limiters, live-upstreams, any-upstream, log-level
 *   node-status     what status and readiness say: tier-watch, transfer-rate, free-space; page/: what the page shows
 *   why, verifier   one image, and all that is stored, looked at        store-checks, housekeeping, store-memory  the store's upkeep
 *   image-source    manifests for prewarm and pins
 *   logger          log-sink: standard error that never blocks
 *   metric-registry prom-client; host-metrics, origin-metrics, process-metrics      open-tracing, otlp-tracer  OpenTelemetry
 */
export type { ReloadReport } from './live-config.ts'
export { LogLevel } from './log-level.ts'
export { createLogger, ProcessLog } from './logger.ts'
export { PrometheusRegistry } from './metric-registry.ts'
export { ShoalNode } from './node.ts'
export type { Host } from './open-host.ts'
export { openHost } from './open-host.ts'

import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Registry } from 'prom-client'
import { collectDefaultMetrics, Gauge } from 'prom-client'

/** How often the event loop is looked at: five times a second, so that an idle host sleeps. */
const LAG_RESOLUTION_MS = 200
/** The library's own look at it is ten times as often and counts its own interval as lag: it is let sleep. */
const NEVER_MS = 2 ** 31 - 1

/** What the library collects and nobody has used, or what its own checker (promtool) finds badly named. */
const UNUSED = /^nodejs_(active_|heap_space_|eventloop_lag_)/

/** Adds the process's own metrics: CPU, memory, files, the event loop's lag, garbage collection. Call once a registry. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS })
  for (const { name } of registry.getMetricsAsArray()) if (UNUSED.test(name)) registry.removeSingleMetric(name)
  collectLoopLag(registry)
}

/** How late the event loop was since the last scrape: a delay above what it was told to wait. */
function collectLoopLag(registry: Registry): void {
  const delays = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  delays.enable()
  const seconds = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - LAG_RESOLUTION_MS / 1000) : 0
  const gauge = (name: string, help: string): Gauge =>
    new Gauge({ name: `nodejs_eventloop_lag_${name}seconds`, help, registers: [registry] })
  // Declared first, so that it is collected first and has read them all by the time the others are shown.
  const most = new Gauge({
    name: 'nodejs_eventloop_lag_max_seconds',
    help: 'The longest lag of the event loop since the last scrape.',
    registers: [registry],
    collect: () => {
      most.set(seconds(delays.max))
      mean.set(seconds(delays.mean))
      p90.set(seconds(delays.percentile(90)))
      p99.set(seconds(delays.percentile(99)))
      delays.reset()
    },
  })
  const mean = gauge('mean_', 'Mean lag of the event loop since the last scrape.')
  const p90 = gauge('p90_', 'Lag of the event loop that nine of ten turns stayed below, since the last scrape.')
  const p99 = gauge('p99_', 'Lag of the event loop that 99 of 100 turns stayed below, since the last scrape.')
}

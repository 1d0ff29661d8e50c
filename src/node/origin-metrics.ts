import type { MetricRegistry } from '../base/metrics.ts'
import { ORIGIN_STATES } from '../origin/index.ts'
import type { UpstreamState } from './live-upstreams.ts'

/**
 * How the origins of each upstream answered last, read at scrape time: what to alert on. All that is asked through the
 * upstream `*` is one row, whatever requests name.
 */
export function declareOriginStates(registry: MetricRegistry, upstreams: () => readonly UpstreamState[]): void {
  const help = 'Origins of an upstream by how they answered last: ok, or what ails them'
  registry.gauge('shoal_origin_state', help, ['upstream', 'state'], (gauge) => {
    for (const { name, origins } of upstreams()) {
      const states = origins.map(({ trouble }) => trouble?.state ?? 'ok')
      for (const state of ORIGIN_STATES) {
        gauge.set({ upstream: name, state }, states.filter((one) => one === state).length)
      }
    }
  })
}

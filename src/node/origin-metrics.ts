import type { MetricRegistry } from '../base/metrics.ts'
import type { UpstreamAccess } from '../blob/index.ts'
import { ORIGIN_STATES } from '../origin/index.ts'

/** How the origins of each upstream answered last, read at scrape time: what to alert on. */
export function declareOriginStates(
  registry: MetricRegistry,
  upstreams: () => ReadonlyMap<string, UpstreamAccess>,
): void {
  const help = 'Origins of an upstream by how they answered last: ok, or what ails them'
  registry.gauge('shoal_origin_state', help, ['upstream', 'state'], (gauge) => {
    for (const [upstream, { chain }] of upstreams()) {
      const states = chain.places.map(({ trouble }) => trouble?.state ?? 'ok')
      for (const state of ORIGIN_STATES) {
        gauge.set({ upstream, state }, states.filter((one) => one === state).length)
      }
    }
  })
}

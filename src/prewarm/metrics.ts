import type { MetricRegistry } from '../base/metrics.ts'
import type { HostState, Tally } from './interface.ts'
import { HOST_STATES } from './shapes.ts'

export interface PrewarmSources {
  /** What this host's region says of the running jobs it is head of. */
  readonly jobs: () => readonly Tally[]
  /** This host's own tasks that have not ended. */
  readonly tasks: () => readonly {
    readonly state: HostState
    readonly haveBytes: number
    readonly totalBytes: number
  }[]
}

/** Read at scrape time: on a cache the hosts of the jobs it drives in its region, on a host its own part. */
export function createPrewarmMetrics(registry: MetricRegistry, { jobs, tasks }: PrewarmSources): void {
  registry.gauge('shoal_prewarm_hosts', 'Hosts in running prewarm jobs, by how far they are', ['state'], (gauge) => {
    const all = jobs()
    const count = (state: HostState): number => all.reduce((sum, { hosts }) => sum + hosts[state], 0)
    for (const state of HOST_STATES) gauge.set({ state }, count(state))
  })
  registry.gauge(
    'shoal_prewarm_bytes',
    'Bytes of prewarm tasks that this host has not ended: in all, and here already',
    ['state'],
    (gauge) => {
      let [total, have] = [0, 0]
      for (const { totalBytes, haveBytes } of tasks()) {
        total += totalBytes
        have += haveBytes
      }
      gauge.set({ state: 'total' }, total)
      gauge.set({ state: 'have' }, have)
    },
  )
}

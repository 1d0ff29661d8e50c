import type { MetricRegistry } from '../base/metrics.ts'
import type { HostState, JobState, Tally } from './interface.ts'
import { HOST_STATES, JOB_STATES } from './shapes.ts'

interface PrewarmSources {
  /** What this host's region says of the running jobs it is leader of. */
  readonly jobs: () => readonly Tally[]
  /** The states of all jobs that this host keeps, for a week after their end. */
  readonly states: () => readonly JobState[]
  /** This host's own tasks that have not ended. */
  readonly tasks: () => readonly {
    readonly state: HostState
    readonly haveBytes: number
    readonly totalBytes: number
  }[]
}

/** Read at scrape time: on a cache the hosts of the jobs it drives in its region, on a host its own part. */
export function createPrewarmMetrics(registry: MetricRegistry, { jobs, states, tasks }: PrewarmSources): void {
  registry.gauge('shoal_prewarm_hosts', 'Hosts in running prewarm jobs, by how far they are', ['state'], (gauge) => {
    const all = jobs()
    const count = (state: HostState): number => all.reduce((sum, { hosts }) => sum + hosts[state], 0)
    for (const state of HOST_STATES) gauge.set({ state }, count(state))
  })
  registry.gauge(
    'shoal_prewarm_jobs',
    'Prewarm jobs that this cache keeps, by state; one that has ended is kept for a week',
    ['state'],
    (gauge) => {
      const all = states()
      for (const state of JOB_STATES) gauge.set({ state }, all.filter((one) => one === state).length)
    },
  )
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

import { availableParallelism, loadavg } from 'node:os'

/** So many processes want a core at once on a machine that a run has to itself. */
const OWN_LOAD = 3

/**
 * A time that something may take, for the machine as it is: where others want its cores as well, as many times longer as the
 * queue for them is than a run's own.
 */
export function withPatience(ms: number): number {
  const [load = 0] = loadavg()
  return ms * Math.max(1, load / availableParallelism() / OWN_LOAD)
}

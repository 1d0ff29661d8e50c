/**
 * A whole fleet in virtual time: the daemon's own schedulers over virtual links, against what the links allow at best.
 * The benchmarks and `shoal plan` run it; the daemon never does.
 *
 * - `world.ts` what is simulated, `simulate.ts` runs it, `bound.ts` what the links allow
 * - `virtual-*.ts` time, links, origin, caches and hosts
 * - `virtual-clock`, `virtual-network`, `virtual-origin`, `virtual-fleet`; `virtual-swarm` has all of them
 * - `virtual-host` one host with the daemon's machines: `virtual-peer-set`, `virtual-tracker`, `virtual-message`, `inbox`
 * - `swarm-options` what is asked, `swarm-report` what came of it, `trace-hash` whether two runs are one, `request-audit` whether
 *   a leecher keeps its limits
 */
export type { Bounds } from './bound.ts'
export type { SimResult } from './simulate.ts'
export { simulate, simulation } from './simulate.ts'
export type { World } from './world.ts'

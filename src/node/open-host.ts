import type { Config } from '../config/index.ts'
import type { NodeDeps } from './node-deps.ts'
import type { FleetWork } from './open-fleet-work.ts'
import { openFleetWork } from './open-fleet-work.ts'
import type { Ground } from './open-ground.ts'
import { openGround } from './open-ground.ts'
import type { Services } from './open-services.ts'
import { openServices } from './open-services.ts'

/** A host without its servers: what its peers know of it. */
export interface Host {
  readonly ground: Ground
  readonly services: Services
  readonly work: FleetWork
}

/**
 * Opens a host as far as its peers see it, and lets them in. `mirror`: where runtimes on this machine will reach it. Throws
 * `CONFIG_INVALID`, `STORE_FAILED`.
 */
export async function openHost(
  config: Config,
  deps: NodeDeps,
  mirror: () => string,
  stack: AsyncDisposableStack,
): Promise<Host> {
  const ground = await openGround(config, deps, stack)
  const services = openServices(ground, deps, stack)
  const work = await openFleetWork(config, deps, { ground, services, mirror }, stack)
  return { ground, services, work }
}

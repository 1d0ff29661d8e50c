import { systemClock } from '../base/clock.ts'
import type { Config } from '../config/index.ts'
import { changedKeys } from '../config/index.ts'
import type { TrustSettings } from '../trust/index.ts'
import { CredentialEnds, TrustKeeper } from '../trust/index.ts'
import type { NodeDeps } from './node-deps.ts'

/** Reads who this host is and whom it believes. Throws `CONFIG_INVALID`. */
export async function openTrust(
  config: Config,
  { logger, registry, clock = systemClock }: NodeDeps,
  stack: AsyncDisposableStack,
): Promise<TrustKeeper> {
  const log = logger.child({ component: 'trust' })
  const keeper = await TrustKeeper.open(settingsOf(config), { directory: config.store.path, clock, logger: log })
  stack.use(new CredentialEnds(keeper.trust, { clock, logger: log, registry }))
  keeper.start()
  return keeper
}

/**
 * Reads all of it again. Returns the keys of `next` that are in force with it; whether this host has a fleet at all is
 * decided at its start, and so are its role and region. Throws `CONFIG_INVALID`.
 */
export async function reloadTrust(keeper: TrustKeeper, before: Config, next: Config): Promise<readonly string[]> {
  if ((before.fleet.keyFile === null) !== (next.fleet.keyFile === null)) return []
  const { fleet } = next
  await keeper.reload(settingsOf({ ...before, fleet }))
  return changedKeys(before, next).filter((key) => key.startsWith('fleet.'))
}

function settingsOf({ fleet, role, tier }: Config): TrustSettings {
  const { name, acceptCacheKeys, ...files } = fleet
  return { files, fleet: name, acceptCacheKeys, role, region: tier.region }
}

import { serverBound } from '../bounds.ts'
import type { Baseline } from './baseline.ts'
import { pullAllFrom } from './baseline.ts'
import { registryInstalled, startRegistry } from './docker-registry.ts'

/**
 * A pull-through cache without a swarm: Debian's docker-registry where Shoal's cache would be, empty at the start. Bound:
 * max(F/d_min, N*F/u_cache).
 */
export const registryCache: Baseline = {
  summary: "docker-registry as the hosts' pull-through cache",
  needs: 'docker-registry',
  installed: registryInstalled,
  async run(stage) {
    await using origin = await startRegistry(stage, stage.originHand, { root: stage.tree })
    await using cache = await startRegistry(stage, stage.cacheHand(), { remote: origin.url })
    const seconds = await pullAllFrom(stage, cache.url)
    const downloads = stage.rates.hosts(stage.hostHands.map(({ host }) => host))
    const bound = serverBound(stage.rates.cache, { bytes: stage.image.sizeBytes, downloads, uploads: [] })
    return { seconds, last: Math.max(...seconds), bound }
  },
}

import { hostname } from 'node:os'
import { join } from 'node:path'
import { freeSpace } from '../base/free-space.ts'
import type { Config } from '../config/index.ts'
import type { PrewarmDeps } from '../prewarm/index.ts'
import { Prewarm, roomOf } from '../prewarm/index.ts'
import type { ImageLoader, LoadRuntime, RuntimeSettings } from '../runtime/index.ts'
import { createLoader } from '../runtime/index.ts'
import { hostPlatform } from './prewarm-entrances.ts'

interface OpenPrewarmDeps
  extends Pick<
    PrewarmDeps,
    | 'clock'
    | 'logger'
    | 'registry'
    | 'store'
    | 'swarm'
    | 'tier'
    | 'transfers'
    | 'images'
    | 'upstreams'
    | 'pins'
    | 'hostRate'
    | 'jobChanged'
    | 'chargePlan'
    | 'orders'
    | 'keepsJobs'
    | 'hostNamed'
  > {
  /** This host's mirror, `host:port`: known once it listens. */
  readonly mirror: () => string
}

/** This host's part in prewarm jobs, from its configuration. */
export function openPrewarm(config: Config, { mirror, ...deps }: OpenPrewarmDeps): Prewarm {
  const { store } = deps
  const freeBytes = async (): Promise<number> => {
    // while its disk takes nothing a host has no room
    const { state } = store.usage()
    if (state !== 'ok' && state !== 'full') return 0
    const { bytes } = await freeSpace(config.store.path)
    return roomOf(store, bytes, config.store.minFreeBytes)
  }
  const runtimes = runtimesOf(config)
  const loader = (runtime: LoadRuntime): ImageLoader => createLoader(runtime, runtimes, mirror())
  return new Prewarm(
    { ...deps, freeBytes, loader },
    { name: hostname(), labels: config.tier.labels, platform: hostPlatform() },
  )
}

function runtimesOf({ prewarm, store }: Config): RuntimeSettings {
  const { socket, namespace, snapshotter, client } = prewarm.containerd
  return {
    docker: { socketPath: prewarm.docker.socket },
    containerd: {
      socketPath: socket,
      namespace,
      snapshotter: snapshotter ?? undefined,
      command: client,
      hostsDir: join(store.path, 'containerd-hosts'),
    },
  }
}

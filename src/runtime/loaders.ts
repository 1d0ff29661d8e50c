import type { ContainerdLoaderOptions } from './containerd-loader.ts'
import { ContainerdLoader } from './containerd-loader.ts'
import type { DockerLoaderOptions } from './docker-loader.ts'
import { DockerLoader } from './docker-loader.ts'
import type { ImageLoader } from './image-loader.ts'

/** Runtimes that can be told to pull through their own agent once the bytes are there. */
export const LOAD_RUNTIMES = ['docker', 'containerd'] as const
export type LoadRuntime = (typeof LOAD_RUNTIMES)[number]

/** What a host's configuration says of each of its runtimes. */
export interface RuntimeSettings {
  readonly docker: Omit<DockerLoaderOptions, 'mirror'>
  readonly containerd: Omit<ContainerdLoaderOptions, 'mirror'>
}

type Factory = (settings: RuntimeSettings, mirror: string) => ImageLoader

/** A runtime without a loader does not compile. */
const FACTORIES: Record<LoadRuntime, Factory> = {
  docker: ({ docker }, mirror) => new DockerLoader({ ...docker, mirror }),
  containerd: ({ containerd }, mirror) => new ContainerdLoader({ ...containerd, mirror }),
}

/** Creates the loader of a runtime; `mirror` (`host:port`) is where this host's mirror listens. */
export function createLoader(runtime: LoadRuntime, settings: RuntimeSettings, mirror: string): ImageLoader {
  return FACTORIES[runtime](settings, mirror)
}

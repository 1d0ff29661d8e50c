// A client that pulls images through a mirror like a container runtime: for `shoal pull`, the demo and tests.
export { sumFrom } from './blob-sources.ts'
export { MirrorClient } from './mirror-client.ts'
export { parsePullTarget } from './options.ts'
export type { BlobProgress, PullOptions, PullResult } from './pull-image.ts'
export { pullImage } from './pull-image.ts'

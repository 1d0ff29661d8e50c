/*
 * A client that pulls images through a mirror like a container runtime: for `shoal pull`, the demo and tests.
 *
 *   pull-image   all of an image: choose-platform, fetch-blob, image-layout (where it goes), options (what to pull)
 *   mirror-client  asks the mirror: retry          blob-sources  where the mirror had the bytes from
 */
export { sumFrom } from './blob-sources.ts'
export { MirrorClient } from './mirror-client.ts'
export { parsePullTarget } from './options.ts'
export type { BlobProgress, PullOptions, PullResult } from './pull-image.ts'
export { pullImage } from './pull-image.ts'

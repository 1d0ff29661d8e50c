// A client that pulls images through a mirror like a container runtime: for `shoal pull`, the demo and tests.
export { choosePlatform } from './choose-platform.ts'
export type { PullTarget } from './options.ts'
export { hostPlatform, parsePlatform, parsePullTarget, platformText, pullTargetText } from './options.ts'
export type { BlobProgress, PulledBlob, PullOptions, PullResult } from './pull-image.ts'
export { pullImage } from './pull-image.ts'

// A fleet on one machine, of real processes on loopback, with content to pull: for `shoal demo`, tests and benchmarks.
//   image, tar, seeded-bytes   makes images that runtimes can unpack, the same at every run
//   bucket                     Distribution's layout, as a directory tree or in an S3 bucket
//   s3-origin, origin-proxy    an S3 server that counts what leaves it and misbehaves on request
//   agent-process, fleet       daemons as child processes; managed-process is what they all stand on
//   burst                      one image through every agent at once, and what that cost
//   place, free-ports          where its parts lie and listen     s3-origin-main, s3rver.d  the S3 server, a process of its own
//   origin-traffic, metrics-text  what was moved, as the origin and the daemons count it
export { AgentProcess } from './agent-process.ts'
export { blobKey, copyTreeToBucket, tagKey, writeToBucketTree } from './bucket.ts'
export type { BurstEvents, BurstOutcome, HostOutcome } from './burst.ts'
export { runBurst } from './burst.ts'
export type { FleetHost, PushedImage } from './fleet.ts'
export { Fleet } from './fleet.ts'
export { FreePorts } from './free-ports.ts'
export type { BlobFile, BuiltImage, BuiltIndex, ImageSpec } from './image.ts'
export { buildImage, descriptor, writeBlob, writeJson } from './image.ts'
export { ManagedProcess } from './managed-process.ts'
export { MetricsSnapshot } from './metrics-text.ts'
export { OriginProxy } from './origin-proxy.ts'
export type { OriginFaults } from './origin-traffic.ts'
export type { Place, ServerRequest } from './place.ts'
export { commandIn, LOOPBACK } from './place.ts'
export { originClient, S3Origin } from './s3-origin.ts'
export { seededBytes } from './seeded-bytes.ts'

/*
 * Origins: where content comes from in the end.
 *
 *   interface.ts      the contract of every origin
 *   open-origin.ts    from configuration to an origin or a chain of them (config.ts, options.ts, metered-origin.ts)
 *   origin-chain.ts   several origins of one upstream, in order (origin-health.ts, chain-error.ts)
 *   layout-origin.ts  buckets and directories in the Distribution layout (distribution-layout.ts, object-reader.ts):
 *                     s3-reader.ts with s3-client, s3-listing, s3-errors; directory-reader.ts
 *   registry-origin.ts  the OCI pull API: registry-client.ts (http-exchange, http-status, address-guard, address-class) and
 *                     registry-auth.ts (www-authenticate, token-source, realm-trust, docker-config)
 *   body-stream.ts, range-answer.ts  exactly the bytes asked for, or an error
 */
export type {
  AccessMode,
  DirectoryOriginSettings,
  OciLayoutOriginSettings,
  OriginConfig,
  OriginSettings,
  OriginTransport,
  OriginUse,
  RegistryCredentials,
  RegistryOriginSettings,
  S3Credentials,
  S3OriginSettings,
} from './config.ts'
export type { RegistryLogin } from './docker-config.ts'
export { readDockerCredentials } from './docker-config.ts'
export type { Origin, OriginManifest, OriginQuery, TagPage, TagResolution, TagState } from './interface.ts'
export type { OriginMetrics } from './metrics.ts'
export { createOriginMetrics } from './metrics.ts'
export { openOrigin, openOriginChain } from './open-origin.ts'
export type { OriginDeps, OriginOptions } from './options.ts'
export type { BlobRangeQuery, DigestQuery, OriginPlace, SourceListener } from './origin-chain.ts'
export { OriginChain } from './origin-chain.ts'
export type { OriginState, OriginTrouble } from './origin-trouble.ts'
export { ORIGIN_STATES } from './origin-trouble.ts'
export { parseRealmEntry } from './realm-trust.ts'

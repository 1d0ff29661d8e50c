/*
 * Origins: where content comes from in the end.
 *
 *   interface.ts      the contract of every origin
 *   open-origin.ts    from configuration to an origin or a chain of them (config.ts, options.ts, metered-origin.ts)
 *   origin-chain.ts   several origins of one upstream, in order (origin-roles.ts, in-turn.ts, origin-health.ts,
 *                     chain-error.ts)
 *   layout-origin.ts  buckets and directories in the Distribution layout (distribution-layout.ts, object-reader.ts):
 *                     s3-reader.ts with s3-client, s3-listing, s3-errors; directory-reader.ts
 *   registry-origin.ts  the OCI pull API: registry-client.ts (http-exchange, http-status, address-guard) and
 *                     registry-auth.ts (www-authenticate, token-source, realm-trust, docker-config)
 *   any-registry.ts   registries that nobody has configured, for the upstream `*`
 *   body-stream.ts, range-answer.ts  exactly the bytes asked for, or an error
 *   oci-layout-origin.ts  an OCI image layout (oci-layout-names.ts)        renamed-origin.ts  repositories by other names
 *   origin-gate.ts    how many requests at once (questions-under-way.ts)   origin-trouble.ts, metrics.ts  what went wrong, and how often
 *   transport.ts      TLS and proxies (connections.ts); loose-http.ts, content-encoding.ts, refused-answer.ts: what servers send
 *   kept-redirects.ts, range-manners.ts, vouched-blobs.ts, registry-tags.ts   what is remembered of a registry
 *   token-answer.ts, credential-helper.ts, s3-credentials.ts, lazy-s3-reader.ts   in whose name it is asked
 */
export { isPublicRegistryName, originsOfAny } from './any-registry.ts'
export type {
  AccessMode,
  OriginSettings,
  OriginTransport,
  RegistryCredentials,
  RegistryOriginSettings,
  S3Credentials,
  S3OriginSettings,
} from './config.ts'
export { readDockerCredentials } from './docker-config.ts'
export type { Origin, OriginManifest } from './interface.ts'
export { createOriginMetrics } from './metrics.ts'
export { openOrigin, openOriginChain } from './open-origin.ts'
export type { OriginDeps, OriginOptions } from './options.ts'
export type { OriginPlace } from './origin-chain.ts'
export { OriginChain } from './origin-chain.ts'
export { ORIGIN_STATES } from './origin-trouble.ts'
export { parseRealmEntry } from './realm-trust.ts'

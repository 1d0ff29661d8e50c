// The mirror server: the OCI pull API for container runtimes.
//   mirror-server      the listener and its life          pull-api        request -> answer: guards, routes
//   pull-path, pull-query, byte-range, conditional, host-guard, upstream-choice: pure parsing and choice
//   *-route          one each per kind of content       outcome         asking in order, in time
//   probe-image      an image of the mirror's own
//   answer, oci-error, send-answer, broken-request: what is answered, and its way onto the wire
// EDGE-CASES.md says for each trap of the protocol where it is handled and which test shows it.
//   route-context, exchange    one request: client-watch (has it left?), proof-demand, own-token
//   found-at, blob-sources, parallel-reads  what is remembered of what was asked
//   multipart        several ranges in one body
//   pulls            requests that make one pull: pull-watch (its line), pull-traces; metrics
export type { MirrorServerOptions } from './mirror-server.ts'
export { MirrorServer } from './mirror-server.ts'
export { PROBE_DIGEST, PROBE_REPOSITORY } from './probe-image.ts'

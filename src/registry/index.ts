// The mirror door: the OCI pull API for container runtimes.
//   mirror-door      the listener and its life          pull-api        request -> answer: guards, routes
//   pull-path, pull-query, byte-range, conditional, host-guard, upstream-choice: pure parsing and choice
//   *-route          one each per kind of content       outcome         asking in order, in time
//   answer, oci-error, send-answer, broken-request: what is answered, and its way onto the wire
// EDGE-CASES.md says for each trap of the protocol where it is handled and which test shows it.
export { MirrorDoor } from './mirror-door.ts'

import type { MirrorDoorDeps, MirrorDoorOptions } from './mirror-door.ts'

export type { MirrorDoorDeps, MirrorDoorOptions }

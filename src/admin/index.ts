// The admin server (ACCESS.md says who may what): access.ts has each route's right, local-socket.ts is the socket;
// the admin door: admin-door.ts listens, guard.ts refuses, routes.ts answers from an AdminSource, json-error.ts says
// what went wrong. api-schema.ts is the same API from the client's side.

export type { AdminDoorDeps, AdminDoorOptions } from './admin-door.ts'
export { AdminDoor } from './admin-door.ts'
export {
  apiErrorSchema,
  invalidatedSchema,
  limitsSchema,
  nodeStatusSchema,
  peersSchema,
  pinSchema,
  pinsSchema,
  transfersSchema,
  unpinnedSchema,
  verifyViewSchema,
} from './api-schema.ts'
export type {
  AdminSource,
  BlobStatus,
  CacheStatus,
  CredentialStatus,
  HookHead,
  HookSink,
  Limits,
  LimitsPatch,
  MetricsText,
  NodeStatus,
  OriginStatus,
  PeerStatus,
  PinSource,
  PinStatus,
  PrewarmSource,
  Readiness,
  ReadinessCondition,
  ReceivedBytes,
  SentBytes,
  TransferStatus,
  VerifiedDamage,
  VerifySource,
  VerifyView,
} from './interface.ts'
export { MAX_SOCKET_PATH_BYTES } from './local-socket.ts'
export { ownToken, readTokenFile } from './token-file.ts'

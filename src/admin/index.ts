// The admin server (ACCESS.md says who may what): access.ts has each route's right, local-socket.ts is the socket;
// the admin server: admin-server.ts listens, guard.ts refuses, routes.ts answers from an AdminSource, json-error.ts says
// what went wrong. api-schema.ts is the same API from the client's side. page-routes.ts gives a browser the files in page/, and
// what they show (page-view.ts); page-keys.ts lets it in.
// Routes by what they are about: pin-routes.ts, event-routes.ts (event-stream.ts), hook-routes.ts, verify-routes.ts, prewarm-routes.ts,
// purge-routes.ts; request-schema.ts reads what they are asked. interface.ts is the AdminSource, status.ts what it says of a host,
// token-file.ts the token.

export type { AdminServerDeps, AdminServerOptions } from './admin-server.ts'
export { AdminServer } from './admin-server.ts'
export type { Limits, LogView, VerifiedDamage, VerifyView, WhyOrigin, WhyPart, WhyView } from './api-schema.ts'
export {
  apiErrorSchema,
  gateSchema,
  invalidatedSchema,
  limitsSchema,
  logSchema,
  pageLinkSchema,
  pinSchema,
  pinsSchema,
  unpinnedSchema,
  verifyViewSchema,
  whySchema,
} from './api-schema.ts'
export type {
  AdminSource,
  LimitsPatch,
  LogSource,
  MetricsText,
  PinSource,
  PrewarmSource,
  VerifySource,
  WhySource,
} from './interface.ts'
export type {
  JobHost,
  OwnView,
  PageHost,
  PageJob,
  PageSource,
  PageTransfer,
  PageView,
  ZoneView,
} from './page-view.ts'
export type {
  BlobStatus,
  CacheStatus,
  NodeStatus,
  OriginStatus,
  PeerStatus,
  Readiness,
  ReadinessCondition,
  TransferStatus,
} from './status.ts'
export { blobsSchema, nodeStatusSchema, peersSchema, transfersSchema } from './status.ts'
export { ownToken, readTokenFile } from './token-file.ts'

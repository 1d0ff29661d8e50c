// The configuration, in this order: schema.ts (every key) is walked by schema-walk.ts; file-source.ts and overlay.ts
// gather what the user wrote; load.ts parses it section by section, cross-check.ts and secret-files.ts look at it as
// a whole; resolve.ts makes the Config that everything else uses.
// setting.ts, value-types.ts and access.ts are what keys are made of, origin-schema.ts, prewarm-schema.ts and any-upstream.ts parts of the
// schema; problem.ts and nearest.ts say what is wrong, changes.ts which keys differ, redact.ts leaves secrets out; admin-files.ts
// is where a host has its token and socket.

export { adminFiles } from './admin-files.ts'
export { ANY_UPSTREAM } from './any-upstream.ts'
export { changedKeys } from './changes.ts'
export type { ConfigInput, LoadedConfig } from './load.ts'
export { defaultConfig, loadConfig } from './load.ts'
export { editDistance } from './nearest.ts'
export { redact } from './redact.ts'
export type { Config, UpstreamConfig } from './resolve.ts'

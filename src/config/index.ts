// The configuration, in this order: schema.ts (every key) is walked by schema-walk.ts; file-source.ts and overlay.ts
// gather what the user wrote; load.ts parses it section by section, cross-check.ts and secret-files.ts look at it as
// a whole; resolve.ts makes the Config that everything else uses.

export { adminFiles } from './admin-files.ts'
export { ANY_UPSTREAM } from './any-upstream.ts'
export { changedKeys } from './changes.ts'
export type { ConfigInput, LoadedConfig } from './load.ts'
export { defaultConfig, loadConfig } from './load.ts'
export { editDistance } from './nearest.ts'
export { redact } from './redact.ts'
export type { Config, UpstreamConfig } from './resolve.ts'

// The configuration, in this order: schema.ts (every key) is walked by schema-walk.ts; file-source.ts and overlay.ts
// gather what the user wrote; load.ts parses it section by section, cross-check.ts and secret-files.ts look at it as
// a whole; resolve.ts makes the Config that everything else uses.

export type { AdminFiles } from './admin-files.ts'
export { adminFiles } from './admin-files.ts'
export { changedKeys } from './changes.ts'
export type { Config, HookConfig, UpstreamConfig } from './config.ts'
export type { ConfigInput, LoadedConfig } from './load.ts'
export { defaultConfig, loadConfig } from './load.ts'
export { redact } from './redact.ts'
export type { Address } from './value-types.ts'
export { addressText, isLoopbackHost, parseAddress } from './value-types.ts'

import type { AccessMode, OriginSettings } from '../origin/index.ts'
import type { HookSource } from '../prewarm/index.ts'
import type { Address } from './value-types.ts'

export interface UpstreamConfig {
  /** Canonical: lower case, one name for Docker Hub. */
  readonly name: string
  readonly access: AccessMode
  readonly origins: readonly OriginSettings[]
}

export interface HookConfig {
  readonly source: HookSource
  /** Canonical, a name of `upstreams`; null takes the webhook's word. */
  readonly upstream: string | null
  readonly repository: string
  readonly tag: string
  readonly secretFile: string
  /** What a job's request has beside its images; checked. */
  readonly options: Readonly<Record<string, unknown>>
}

/**
 * The configuration in force: complete, checked across keys, deep-frozen. Sizes are in bytes, durations in
 * milliseconds, rates in bytes per second (0 = unlimited); paths are absolute. What each key means: schema.ts.
 */
export interface Config {
  readonly role: 'agent' | 'cache'
  readonly mirror: {
    readonly listen: Address
    readonly hosts: readonly string[]
    readonly open: boolean
    readonly drainMs: number
  }
  readonly peer: {
    readonly listen: Address
    readonly announce: readonly string[]
    readonly pieceChannel: 'auto' | 'tls' | 'stream'
  }
  readonly admin: {
    readonly listen: Address
    /** Null = one of the agent's own making; see adminFiles. */
    readonly tokenFile: string | null
    /** `auto` = in the store, where its path is short enough; null = none. */
    readonly socket: string | null
  }
  readonly store: {
    readonly path: string
    readonly capacityBytes: number
    readonly minFreeBytes: number
    /** From one full look at what is stored to the next; 0 = none. */
    readonly scrubMs: number
  }
  readonly tier: {
    readonly region: string
    readonly zone: string | null
    readonly labels: Readonly<Record<string, string>>
    /** `host:port` or `dns:host:port`. */
    readonly caches: readonly string[]
    readonly parents: readonly { readonly region: string; readonly caches: readonly string[] }[]
  }
  readonly fleet: {
    readonly keyFile: string | null
    readonly authorities: readonly string[]
    readonly credential: string | null
    readonly credentialKey: string | null
    readonly revocations: string | null
    readonly name: string | null
    readonly acceptCacheKeys: boolean
  }
  /** Bytes per second; 0 = unlimited. */
  readonly limits: {
    readonly upload: number
    readonly download: number
    readonly origin: number
    readonly prewarm: number
  }
  readonly prewarm: {
    readonly hooks: readonly HookConfig[]
    readonly hookWindowMs: number
    readonly docker: { readonly socket: string }
    readonly containerd: {
      readonly socket: string
      readonly namespace: string
      readonly snapshotter: string | null
      readonly client: string
    }
  }
  readonly tags: { readonly ttlMs: number; readonly maxStaleMs: number }
  /** Names of `upstreams`. */
  readonly search: readonly string[]
  readonly upstreams: readonly UpstreamConfig[]
  readonly log: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
    readonly pretty: boolean | 'auto'
  }
}

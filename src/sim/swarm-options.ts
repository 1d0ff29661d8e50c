import type { LeecherOptions, SeederOptions } from '../scheduler/index.ts'
import { AGENT_SEEDER, CACHE_SEEDER, DEFAULT_LEECHER } from '../scheduler/index.ts'
import type { VirtualBlob } from './virtual-host.ts'
import type { NetworkOptions } from './virtual-network.ts'

/** Rates in bytes per millisecond, times in milliseconds. */
export interface SwarmOptions extends NetworkOptions {
  readonly seed: number
  /** Leechers of all regions together, beside the caches. */
  readonly hosts: number
  /** With more than one, a core region of caches alone stands between them and the origin. */
  readonly regions: number
  /** Per region; blobs are spread over them. */
  readonly caches: number
  readonly blobs: readonly VirtualBlob[]
  /** A leecher's uplink, and its downlink. */
  readonly hostRate: number
  /** How many times a leecher's rate a cache's is. */
  readonly cacheRatio: number
  /** What the origin gives in all; undefined: the caches have everything from the start. */
  readonly originRate: number | undefined
  readonly originLatencyMs: number
  /** Leechers come at random times within this span. */
  readonly joinWithinMs: number
  /** Zones of a region, by turns; with one, hosts know of none. */
  readonly zones: number
  /** Share of leechers with a tenth of the uplink. */
  readonly slow: number
  /** Share of leechers that take requests and never answer. */
  readonly dead: number
  readonly faults: Faults
  readonly leecher: LeecherOptions
  readonly seeder: SeederOptions
  readonly homeSeeder: SeederOptions
  /** Whether every host is watched for what a leecher may not do. */
  readonly audited: boolean
}

/** Chances per piece sent (or origin range read), and how often a host breaks down and comes back. */
export interface Faults {
  readonly corrupt: number
  /** The bytes stop coming and nobody says so. */
  readonly silent: number
  /** The sender gives up midway and says so. */
  readonly aborted: number
  readonly originFails: number
  /** Mean time between two leechers leaving; 0 = never. */
  readonly leaveEveryMs: number
  readonly awayMs: number
  /** Nothing breaks any more after this. */
  readonly untilMs: number
}

export const NO_FAULTS: Faults = {
  corrupt: 0,
  silent: 0,
  aborted: 0,
  originFails: 0,
  leaveEveryMs: 0,
  awayMs: 0,
  untilMs: 0,
}

export const MIB = 1024 * 1024

/** 1 MiB pieces over 1 Gb/s, and a data centre's latency. */
export const GIGABIT: SwarmOptions = {
  seed: 1,
  hosts: 16,
  regions: 1,
  caches: 1,
  blobs: [{ blob: 1, pieces: 256, pieceBytes: MIB, order: 0 }],
  hostRate: 125_000,
  cacheRatio: 1,
  originRate: undefined,
  originLatencyMs: 5,
  latencyMs: 0.3,
  jitterMs: 0.2,
  windowBytes: 2 * MIB,
  bufferBytes: 0,
  joinWithinMs: 5,
  zones: 1,
  slow: 0,
  dead: 0,
  faults: NO_FAULTS,
  leecher: DEFAULT_LEECHER,
  seeder: AGENT_SEEDER,
  homeSeeder: CACHE_SEEDER,
  audited: false,
}

/*
 * What is decided about blobs on their way, without clock, socket or chance: events in, effects out (src/sim runs the same).
 *
 *   leecher         what to ask of whom: requests and request-table, under-way, progress, endgame, sources (pace, total-pace)
 *                   downloads, download    the blobs that are fetched          wants, stuck-homes, awaited-at-homes  asked of homes
 *                   origin-ranges          what is read of an origin: origin-runs, origin-range, origin-state, range-growth, stragglers
 *   seeder          whose turn it is; super-seeding: which piece goes first
 *   tracker         a home's part: neighbours introduces hosts (nearness, nearest), batches tells of hashes
 *   peer-set        whom a host exchanges pieces with: kept-neighbours, starving, peer-search
 *   homes           which caches a key belongs to          hash  spreads keys and hosts
 *   leecher-types, seeder-types  what these machines hear and say
 */
export { runsOf } from './batches.ts'
export { rankHomes, rankStandIns } from './homes.ts'
export { Leecher } from './leecher.ts'
export type { DownloadSpec, LeecherEffect, LeecherEvent, LeecherOptions, SourceKind } from './leecher-types.ts'
export { BACKGROUND_ORDER, DEFAULT_LEECHER, isBackground, leecherWith, mostOutstanding } from './leecher-types.ts'
export type { Place } from './nearness.ts'
export { NEIGHBOURS_MOST, oneTooMany, placeHash } from './nearness.ts'
export { SwarmMembers } from './neighbours.ts'
export type { RangeFailure } from './origin-state.ts'
export type { PeerSetEffect, PeerSetEvent } from './peer-set.ts'
export { answerOfWhole, PeerSet } from './peer-set.ts'
export { Seeder } from './seeder.ts'
export type { SeederEffect, SeederEvent, SeederOptions } from './seeder-types.ts'
export { AGENT_SEEDER, CACHE_SEEDER } from './seeder-types.ts'
export type { TrackerEffect, TrackerEvent } from './tracker.ts'
export { Tracker } from './tracker.ts'

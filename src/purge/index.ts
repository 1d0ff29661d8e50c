/*
 * Purges: images that are to leave all hosts of the fleet (PREWARM.md has how that is told).
 *
 *   open-purge        this host's part, put together
 *   purge             what a purge is, and what is reported of it; without I/O
 *   words             what hosts tell each other of purges, by the tables of the room below
 *   purges            obeys and hands on: purge-worker (this host's part), purge-progress (who has done it)
 *   purge-responders  responds on a cache          purge-client  as they are asked for on any host
 */
export type { Purge } from './open-purge.ts'
export { openPurge } from './open-purge.ts'
export type { PurgeSpec, PurgeView } from './purge.ts'
export { isPurgeId, newPurgeId, parsePurge, purgeViewSchema } from './purge.ts'
export { PURGE_ORDER } from './words.ts'

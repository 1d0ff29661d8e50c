/*
 * Who is home for what: tier.ts ranks and asks homes and parents, cache-dialer.ts keeps links to the caches.
 */

export type { DialedCache } from './cache-dialer.ts'
export type { Asked, Home, Question, TierOptions } from './tier.ts'
export { Tier } from './tier.ts'

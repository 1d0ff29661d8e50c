/*
 * Who is home for what: tier.ts ranks and asks homes and parents, questions.ts asks one of them, suspicion.ts remembers
 * which are slow or deliver nothing, cache-dialer.ts keeps links to the caches.
 */

export type { DialedCache } from './cache-dialer.ts'
export type { Question } from './questions.ts'
export type { Asked, Home, TierOptions } from './tier.ts'
export { Tier } from './tier.ts'

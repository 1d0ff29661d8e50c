/*
 * Who is asked for what: ladder.ts climbs from the home to the parents and the origin, for an asker; tier.ts ranks the homes,
 * home-requests.ts asks one of them, suspicion.ts remembers which are slow or deliver nothing, cache-dialer.ts keeps links to
 * the caches; lots.ts is what hosts rank by when these are gone.
 * known-caches.ts and known-hosts.ts are caches and hosts that it has heard of, introductions.ts how (requests.ts), on whose word
 * address-proofs.ts and dated-proof.ts; located.ts looks where they say they are.
 */

export type { Asker, Entry } from './asker.ts'
export { OWN_CLIENT } from './asker.ts'
export { requestOf } from './home-requests.ts'
export type { Answered, Climb, LadderDeps, Worthless } from './ladder.ts'
export { Ladder } from './ladder.ts'
export type { Lot } from './requests.ts'
export { tierRequests } from './requests.ts'
export type { Home, TierOptions } from './tier.ts'
export { Tier } from './tier.ts'

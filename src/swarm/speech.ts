/**
 * What a side of a link understands beyond the frames of version 3, by name: messages, requests, and abilities that are
 * neither. Peers that do not name something are never sent it.
 */
export type Speech = ReadonlySet<string>

/**
 * Abilities that are no message and no request: another meaning, or another value, of something that is there already.
 *
 * - `envelopes`: signatures of piece hashes may carry a certificate, and be longer than 64 bytes.
 * - `states`: runs of piece hashes may be states of the hash over the whole.
 */
export const FEATURES = ['envelopes', 'states'] as const satisfies readonly string[]
export type Feature = (typeof FEATURES)[number]

/** What every host of version 3 understands, those that do not say what they do included (all up to 0.1.0). Frozen. */
const VERSION_3: Speech = new Set([
  ...['bitfield', 'have', 'hashes', 'request', 'want', 'cancel', 'busy', 'peers', 'leave', 'part', 'giveUp', 'accuse'],
  ...['letter', 'join', 'manifest', 'stat', 'tags', 'referrers', 'invalidate', 'members', 'prewarm'],
])

/** What a peer understands that has said this of itself. */
export function speechOf(speaks: readonly string[] | undefined): Speech {
  return speaks === undefined ? VERSION_3 : new Set(speaks)
}

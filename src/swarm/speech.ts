import { HOT_MESSAGES } from './hot-messages.ts'
import type { CallName, ControlMessage, HashRun, Spoken } from './interface.ts'
import { callArguments, coldMessages } from './wire-messages.ts'

/**
 * What a side of a link understands beyond the frames of version 3, by name: messages, calls, and abilities that are
 * neither. A new one is added where it is defined; peers that do not name it are never sent it.
 */
export type Speech = ReadonlySet<string>

/**
 * Abilities that are no message and no call: another meaning, or another value, of something that is there already.
 *
 * - `envelopes`: signatures of piece hashes may carry a certificate, and be longer than 64 bytes.
 */
export const FEATURES = ['envelopes'] as const satisfies readonly string[]
/** An Ed25519 signature by a fleet's cache key. */
const BARE_SIGNATURE_BYTES = 64
export type Feature = (typeof FEATURES)[number]

/** What every host of version 3 understands, those that do not say what they do included (all up to 0.1.0). Frozen. */
const VERSION_3: Speech = new Set([
  ...['bitfield', 'have', 'hashes', 'request', 'want', 'cancel', 'busy', 'peers', 'leave', 'part', 'giveUp', 'accuse'],
  ...['letter', 'join', 'manifest', 'stat', 'tags', 'referrers', 'invalidate', 'members', 'prewarm'],
])

/** What this host understands: all that it has a schema for. */
export const OWN_SPEECH: readonly Spoken[] = [
  ...(Object.keys(coldMessages) as ControlMessage['type'][]),
  ...HOT_MESSAGES,
  ...(Object.keys(callArguments) as CallName[]),
  ...FEATURES,
]

/** Runs as a peer takes them that expects 64 bytes of signature: without longer ones it still has the sender's word. */
export function withoutEnvelopes(runs: readonly HashRun[]): readonly HashRun[] {
  return runs.map((run) =>
    (run.signature?.length ?? 0) > BARE_SIGNATURE_BYTES ? { first: run.first, hashes: run.hashes } : run,
  )
}

/** What a peer understands that has said this of itself. */
export function speechOf(speaks: readonly string[] | undefined): Speech {
  return speaks === undefined ? VERSION_3 : new Set(speaks)
}

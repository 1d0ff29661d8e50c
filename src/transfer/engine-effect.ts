import type { ShoalError } from '../base/errors.ts'
import type { LeecherEffect } from '../scheduler/index.ts'
import type { PeerLink } from '../swarm/index.ts'
import type { Active } from './active.ts'
import type { Transfer } from './transfer.ts'

/** What the leecher decides that is not about one link. */
type TransferEffect = Exclude<LeecherEffect, { readonly type: 'request' | 'want' | 'cancel' }>

/** What is to be done about whole transfers: what the leecher decides, and what follows from what the ports have met. */
export type EngineEffect =
  | TransferEffect
  /** A piece is proven and kept. */
  | { readonly type: 'kept'; readonly transfer: Transfer; readonly piece: number }
  /** Bytes do not match a vouched hash: their sender lied. */
  | { readonly type: 'caught'; readonly transfer: Transfer; readonly piece: number; readonly link: PeerLink }
  /** The disk failed, or an origin is known to lie: the transfer cannot go on. */
  | { readonly type: 'broken'; readonly transfer: Transfer; readonly error: unknown }
  /** There is no way to the content. */
  | { readonly type: 'fail'; readonly active: Active; readonly error: ShoalError }
  /** What was wrong has been dropped: the blob is fetched, and served, from its beginning. */
  | { readonly type: 'restart'; readonly active: Active }

/** Takes an effect; safe to call from within another. */
export type RunEffect = (effect: EngineEffect) => void

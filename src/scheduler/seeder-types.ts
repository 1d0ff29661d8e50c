import type { ReadonlyBitfield } from '../piece/bitfield.ts'

export type SeederEvent =
  /** A peer wants one piece. */
  | {
      readonly type: 'request'
      readonly peer: number
      readonly id: number
      readonly blob: number
      readonly piece: number
      readonly background: boolean
    }
  /** A peer wants any of these pieces, whichever the seeder likes to give. */
  | {
      readonly type: 'want'
      readonly peer: number
      readonly id: number
      readonly blob: number
      readonly wanted: ReadonlyBitfield
      readonly background: boolean
    }
  | { readonly type: 'cancel'; readonly peer: number; readonly id: number }
  /** New pieces of this blob can be served. */
  | { readonly type: 'available'; readonly blob: number }
  /** A send's last bytes are out of this process; `sent` follows when the peer has them. */
  | { readonly type: 'written'; readonly peer: number; readonly id: number }
  /** A send came to its end; `ok` false when the peer did not get it. */
  | { readonly type: 'sent'; readonly peer: number; readonly id: number; readonly ok: boolean }
  | { readonly type: 'peerGone'; readonly peer: number }

export type SeederEffect =
  | { readonly type: 'send'; readonly peer: number; readonly id: number; readonly blob: number; readonly piece: number }
  | { readonly type: 'busy'; readonly peer: number; readonly id: number; readonly queue: number }

export interface SeederOptions {
  /** Pieces written at the same time. Few: a piece that is whole early can be passed on early. */
  readonly slots: number
  /** Pieces the receivers do not have yet, those being written included: they cover the way there and the wait there. */
  readonly underWay: number
  /** Requests that may wait behind the slots; more are answered `busy`. */
  readonly queue: number
  /** Whether a request for a piece that is still to come waits for it (a home does) or is refused. */
  readonly parks: boolean
}

/**
 * Simulated, 300 hosts at 10 Gb/s, with a slot that is free only when the receiver has the piece: 1.55 of the bound with
 * two, 1.27 with three, 1.15 with four, 1.11 with six; with two being written and six under way 1.07. Where a kernel takes
 * a whole piece at once (16 hosts at 24 Mb/s, a home as fast as they) what is under way counts alone: 1.30 with two, 1.12
 * with four, 1.11 with six, 1.18 with ten. A longer queue costs 2 %: hosts wait in it instead of asking elsewhere.
 */
export const AGENT_SEEDER: SeederOptions = { slots: 2, underWay: 6, queue: 8, parks: false }
/**
 * A cache feeds many hosts, each slower than itself, and may not wait for two of them. Sixteen under way gain 0.5 % at
 * 10 Gb/s and cost 4 % at 24 Mb/s, where its first pieces would come later.
 */
export const CACHE_SEEDER: SeederOptions = { slots: 8, underWay: 8, queue: 64, parks: true }

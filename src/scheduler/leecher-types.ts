import type { ReadonlyBitfield } from '../piece/bitfield.ts'
import type { RangeFailure } from './origin-state.ts'

/**
 * What a source of a blob is to this host:
 * - `peer`: a neighbour in the swarm; has what it says it has, and is asked for pieces by number.
 * - `home`: hands out pieces of its own choice to those who want some (super-seeding).
 * - `parent`: a home in the tier above; is asked by number and may let a request wait until the piece is there.
 */
export type SourceKind = 'peer' | 'home' | 'parent'

/** Everything that can happen to a host's downloads. Blobs, sources, requests and ranges are small integers. */
export type LeecherEvent =
  | { readonly type: 'blobAdded'; readonly blob: number; readonly spec: DownloadSpec }
  | { readonly type: 'blobRemoved'; readonly blob: number }
  /**
   * The origin may (ranges > 0) or may no longer (0) be read for this blob. `takesRanges`: false until it is known to
   * answer ranges with ranges, so that one is asked for first. Default true. `rangeBytes`: what a limit lets come in a
   * second, which is what one range should bring; default as the options say. `mayGrow`: whether more ranges may be tried; default no.
   */
  | {
      readonly type: 'originOpen'
      readonly blob: number
      readonly ranges: number
      readonly takesRanges?: boolean
      readonly rangeBytes?: number | undefined
      readonly mayGrow?: boolean | undefined
    }
  | {
      readonly type: 'sourceJoined'
      readonly source: number
      readonly blob: number
      readonly kind: SourceKind
      readonly distance: number
      /** A home that is no cache: it is not waited for as long. */
      readonly isStandIn?: boolean
    }
  | {
      readonly type: 'sourceBits'
      readonly source: number
      readonly blob: number
      readonly bits: ReadonlyBitfield
      readonly queue: number
    }
  | {
      readonly type: 'sourceHas'
      readonly source: number
      readonly blob: number
      readonly pieces: readonly number[]
      readonly queue: number
    }
  /** A home or parent is asked what it could answer at once, and says nothing. */
  | { readonly type: 'sourceMute'; readonly source: number }
  /** Of one blob, or altogether when `blob` is undefined. */
  | { readonly type: 'sourceLeft'; readonly source: number; readonly blob: number | undefined }
  /** Hashes of these pieces are known: they can be checked, so they may be asked of peers. */
  | { readonly type: 'hashesKnown'; readonly blob: number; readonly first: number; readonly count: number }
  /** The answer to request `id` has begun; for a want this tells which piece it is. */
  | { readonly type: 'began'; readonly id: number; readonly piece: number }
  /** `bytes` more of it have come. */
  | { readonly type: 'progress'; readonly id: number; readonly bytes: number }
  | {
      readonly type: 'failed'
      readonly id: number
      readonly reason: 'busy' | 'corrupt' | 'lost'
      readonly queue: number
    }
  /** A piece is verified and kept, by request `id` or by the origin (undefined). */
  | { readonly type: 'stored'; readonly blob: number; readonly piece: number; readonly id: number | undefined }
  /** Pieces turned out wrong after all and must be fetched again. */
  | { readonly type: 'dropped'; readonly blob: number; readonly pieces: readonly number[] }
  /** A range is asked for only now: it has waited for a limit, not for an answer. */
  | { readonly type: 'fetchAsked'; readonly range: number }
  /** The origin answers a range; `whole`: with the whole blob from its first byte on. */
  | { readonly type: 'fetchBegan'; readonly range: number; readonly whole: boolean }
  | { readonly type: 'fetchProgress'; readonly range: number; readonly bytes: number }
  /** `failure`: why not all has come, if it has not. */
  | { readonly type: 'fetchEnded'; readonly range: number; readonly failure?: RangeFailure | undefined }
  /** What may be fetched of a blob: at most this many pieces, those here and under way included (undefined = all), in this order; and what is awaited. */
  | { readonly type: 'steered'; readonly blob: number; readonly order: number; readonly limit: number | undefined }
  /** A reader waits at this piece. */
  | { readonly type: 'cursor'; readonly blob: number; readonly piece: number }
  /** A reader waits for these pieces and for no others: they come whatever the limit. */
  | { readonly type: 'awaited'; readonly blob: number; readonly first: number; readonly count: number }
  | { readonly type: 'tick' }

/** From here on an order is of the background: what is fetched for nobody who waits. Sources are told so, and put it last. */
export const BACKGROUND_ORDER = 2 ** 40

/** Whether nobody waits for what has this order. */
export function isBackground(order: number): boolean {
  return order >= BACKGROUND_ORDER
}

export interface DownloadSpec {
  readonly pieces: number
  readonly pieceBytes: number
  readonly have: ReadonlyBitfield
  /** Blobs with a lower order are served first: the manifest's order within an image, pulls before prewarm. */
  readonly order: number
  /** The pieces that may be fetched, read live; undefined = all (a blob that cannot be stored has a window). */
  readonly window: ReadonlyBitfield | undefined
  /** Pieces that may be here or under way, for a start; undefined = all. */
  readonly limit?: number | undefined
  /** Whether a home can introduce more peers when this host runs short of them. */
  readonly swarm: boolean
}

export type LeecherEffect =
  | {
      readonly type: 'request'
      readonly source: number
      readonly id: number
      readonly blob: number
      readonly piece: number
      readonly background: boolean
      /** A reader waits for this very piece. */
      readonly urgent: boolean
    }
  /** Each id wants one of these pieces. Sent again for ids that still wait when what is wanted has changed, or how much. */
  | {
      readonly type: 'want'
      readonly source: number
      readonly ids: readonly number[]
      readonly blob: number
      readonly wanted: ReadonlyBitfield
      readonly background: boolean
    }
  | { readonly type: 'cancel'; readonly source: number; readonly id: number }
  /** Read these pieces from the origin, in order, as one range. */
  | {
      readonly type: 'fetch'
      readonly blob: number
      readonly range: number
      readonly first: number
      readonly count: number
    }
  | { readonly type: 'cancelFetch'; readonly range: number }
  /** Too few neighbours, or none that has what is missing: ask the home for others. */
  | { readonly type: 'findPeers'; readonly blob: number }
  /** No byte has come for long although somebody should have it: the home may be dead on its feet. */
  | { readonly type: 'stalled'; readonly blob: number }
  /** Every piece is there. */
  | { readonly type: 'complete'; readonly blob: number }
  /** The origin failed for long and there is no other source; `refused`: it has said no, and would say so again. */
  | { readonly type: 'originFailed'; readonly blob: number; readonly refused: boolean }

/** The constants of the swarm; `reasons` are beside each. Sizes in pieces, times in milliseconds. */
export interface LeecherOptions {
  /** Pieces asked for and not yet here, over all sources and blobs: 6-8 fill the link, 16 hoard at the end. */
  readonly maxOutstanding: number
  /** Of these, what may lie in memory: bytes asked for and not yet here, over at least `leastOutstanding` pieces. */
  readonly maxOutstandingBytes: number
  /**
   * Of small pieces more may be outstanding, this many in all and no more than `smallBytes`: eight of 128 KiB are a third of a
   * second at 24 Mb/s, and some of their sources may be busy with others for as long. Simulated, 8 hosts, cache 4x, three
   * seeds: 1.031 of the bound with eight, 1.010 with twelve and with sixteen, which hoard more.
   */
  readonly smallOutstanding: number
  readonly smallBytes: number
  /** Pieces that may be outstanding however large they are: with fewer the link runs dry. */
  readonly leastOutstanding: number
  /** Of these at one neighbour that tells its queue length; more makes hosts pile onto the same one. */
  readonly perSource: number
  /** Wants kept at a home while neighbours deliver too. */
  readonly wants: number
  /** Parallel origin ranges of one host: one S3 flow gives a fraction of what four do. */
  readonly hostRanges: number
  /** The most there may ever be, where each more brings more. */
  readonly mostRanges: number
  /** Bytes of one origin range. */
  readonly rangeBytes: number
}

export const DEFAULT_LEECHER: LeecherOptions = {
  maxOutstanding: 8,
  maxOutstandingBytes: 16 * 1024 * 1024,
  smallOutstanding: 12,
  smallBytes: 2 * 1024 * 1024,
  leastOutstanding: 4,
  perSource: 2,
  wants: 2,
  hostRanges: 8,
  mostRanges: 16,
  rangeBytes: 8 * 1024 * 1024,
}

/** The same, with this many ranges at most. */
export function leecherWith(mostRanges: number = DEFAULT_LEECHER.mostRanges): LeecherOptions {
  return { ...DEFAULT_LEECHER, mostRanges, hostRanges: Math.min(DEFAULT_LEECHER.hostRanges, mostRanges) }
}

/** The most pieces of this size that may be outstanding. */
export function mostOutstanding(options: LeecherOptions, pieceBytes: number): number {
  const { maxOutstanding, smallOutstanding, smallBytes } = options
  return Math.max(maxOutstanding, Math.min(smallOutstanding, Math.floor(smallBytes / pieceBytes)))
}

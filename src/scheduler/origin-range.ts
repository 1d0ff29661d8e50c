import type { Download } from './download.ts'
import type { Pace } from './pace.ts'
import type { RangeView } from './stragglers.ts'

/** A part of a blob that an origin is asked for, and how it comes. */
export interface OriginRange {
  readonly id: number
  readonly download: Download
  /** Pieces it is to bring. */
  readonly left: Set<number>
  askedAt: number
  /** Since the origin began to answer; undefined before. */
  began: { readonly at: number; readonly pace: Pace } | undefined
  /** Bytes of the piece it is at. */
  partial: number
  /** All that it has brought. */
  bytes: number
  /** Whether others bring, or have brought, pieces that it was asked for. */
  shared: boolean
  /** A reader waits for all of it. */
  readonly awaited: boolean
}

/** How fast a range that has ended came, in bytes per millisecond. What comes in no time is fast. */
export function paceOf({ began, bytes }: OriginRange, now: number): number {
  if (began === undefined) return 0
  return now > began.at ? began.pace.most(now) : bytes
}

/** What decides whether it is worth waiting for. */
export function viewOf({ left, download, partial, began }: OriginRange, now: number): RangeView {
  return {
    leftBytes: Math.max(1, left.size * download.spec.pieceBytes - partial),
    pace: began?.pace.most(now),
    ageMs: began === undefined ? 0 : now - began.at,
  }
}

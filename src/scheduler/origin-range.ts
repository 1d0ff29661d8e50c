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
  /** Whether the origin has it, and no limit keeps it back. */
  asked: boolean
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

/**
 * An origin that has not begun to answer by then is asked for all the rest at once: it waits for each answer, and one wait after
 * the other would make the pull as many times as long. By then one that is at hand has sent megabytes.
 */
const LATE_MS = 3_000

/** Whether an origin is late with all that a blob has been asked for. */
export function isLate(ranges: readonly OriginRange[], now: number): boolean {
  const waits = (range: OriginRange): boolean => range.asked && range.began === undefined
  return ranges.length > 0 && ranges.every(waits) && ranges.some(({ askedAt }) => now - askedAt >= LATE_MS)
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

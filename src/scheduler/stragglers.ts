/** A range is a straggler when another way would bring the rest of it this many times sooner. */
const STRAGGLER_TIMES = 4
const STRAGGLER_LEAST_MS = 4_000
/** A range is shared with another when its rest would take this long, and longer than to begin another one. */
const SHARE_LEAST_MS = 2_000

/** One range as it is read now. Bytes and milliseconds. */
export interface RangeView {
  readonly leftBytes: number
  /** Bytes per millisecond; undefined before its first byte: waiting for that is not slowness. */
  readonly pace: number | undefined
  /** Since its first byte. */
  readonly ageMs: number
}

/** How fast another range would be: what it would wait for its first byte, and the pace others have now. */
export interface Alternative {
  readonly waitMs: number
  readonly pace: number
}

/** How long a range is left alone, whatever its pace: longer for each that has been dropped. */
export function patienceMs(drops: number): number {
  return STRAGGLER_LEAST_MS * 2 ** Math.min(drops, 10)
}

/** Whether to drop a range, because another way is faster now by more than `patience`. */
export function isStraggler(range: RangeView, other: Alternative, patience: number): boolean {
  if (range.pace === undefined || range.ageMs < patience || other.pace <= 0) return false
  const own = range.leftBytes / range.pace
  const elsewhere = other.waitMs + range.leftBytes / other.pace
  return own > STRAGGLER_TIMES * elsewhere && own - elsewhere > patience
}

/**
 * Whether another range should take a part of the rest of a range; `other.pace` is 0 when no other is known. `eachBrings`:
 * each one more has brought more, so that one of the same pace helps, too.
 */
export function isWorthSharing(range: RangeView, other: Alternative, eachBrings: boolean): boolean {
  if (range.pace === undefined || range.ageMs < SHARE_LEAST_MS) return false
  const isSlower = other.pace === 0 || range.pace < other.pace / 2
  return (isSlower || eachBrings) && range.leftBytes / range.pace > SHARE_LEAST_MS + 2 * other.waitMs
}

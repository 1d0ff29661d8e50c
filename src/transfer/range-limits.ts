import { aheadBytes } from './allowance.ts'

/** Ranges of one blob read from the origin at the same time. */
const RANGES_PER_BLOB = 4
/** Under a limit no more of them than get this much each: more would bring the same, later each. */
const LIMITED_RANGE_BYTES_PER_SEC = 2 * 1024 * 1024

/** How a blob is read from its origin. */
export interface RangeLimits {
  /** Ranges at the same time. */
  readonly count: number
  /** The most that one should bring; undefined for as much as is usual. */
  readonly bytes: number | undefined
}

/** What a limit of this many bytes per second makes of it; 0 for none. */
export function rangesAt(bytesPerSec: number): RangeLimits {
  if (bytesPerSec === 0) return { count: RANGES_PER_BLOB, bytes: undefined }
  const count = Math.min(RANGES_PER_BLOB, Math.max(1, Math.floor(bytesPerSec / LIMITED_RANGE_BYTES_PER_SEC)))
  return { count, bytes: aheadBytes(bytesPerSec) }
}

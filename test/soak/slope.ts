/** A quantity at a time. */
export interface Point {
  /** In minutes. */
  readonly at: number
  readonly value: number
}

/** A straight line through points, and how sure that is. */
export interface Slope {
  /** Per minute. */
  readonly perMinute: number
  /** Of `perMinute`: what chance alone makes of it. */
  readonly error: number
}

/** By least squares. Of fewer than three points nothing is known. */
export function slopeOf(points: readonly Point[]): Slope {
  const n = points.length
  if (n < 3) return { perMinute: 0, error: Number.POSITIVE_INFINITY }
  const mean = (of: (point: Point) => number): number => points.reduce((sum, point) => sum + of(point), 0) / n
  const [at, value] = [mean((point) => point.at), mean((point) => point.value)]
  const spread = points.reduce((sum, point) => sum + (point.at - at) ** 2, 0)
  const perMinute = points.reduce((sum, point) => sum + (point.at - at) * (point.value - value), 0) / spread
  const rest = points.reduce((sum, point) => sum + (point.value - value - perMinute * (point.at - at)) ** 2, 0)
  return { perMinute, error: Math.sqrt(rest / (n - 2) / spread) }
}

/** How sure one must be before a slope counts: neighbouring samples are no independent ones. */
const ERRORS = 6

/**
 * Whether something grows: surely upwards, and in an hour by more than a share of its level. What a heap does between two
 * collections, and a table that is not full yet, is neither.
 */
export function grows(points: readonly Point[], shareInAnHour: number): boolean {
  const { perMinute, error } = slopeOf(points)
  const level = points.reduce((sum, { value }) => sum + value, 0) / Math.max(1, points.length)
  return perMinute > ERRORS * error && perMinute * 60 > shareInAnHour * level
}

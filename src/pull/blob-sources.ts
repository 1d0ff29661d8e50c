import { dividedLike } from '../base/sum.ts'

/** Bytes by where the mirror had them from. */
export type BytesFrom = Readonly<Record<string, number>>

/** What a mirror says it has received of a blob lately (`X-Shoal-Received`). */
export interface Received {
  readonly bytes: BytesFrom
  /** Since the last of it came. */
  readonly ageSeconds: number
}

/** Undefined for a header that says nothing. */
export function parseReceived(header: string): Received | undefined {
  const match = /^((?:[a-z]+=\d+(?:, )?)+); age=(\d+(?:\.\d+)?)$/.exec(header)
  if (match === null) return undefined
  const pairs = (match[1] ?? '').split(', ').map((pair) => pair.split('='))
  const bytes = Object.fromEntries(pairs.map(([source = '', count]) => [source, Number(count)]))
  return { bytes, ageSeconds: Number(match[2]) }
}

/**
 * A blob of `size` bytes by source: what the mirror has received since the blob's pull began, the rest from where its first
 * byte was said to come from (`said`).
 */
export function bytesFrom(
  size: number,
  said: string | undefined,
  received: Received | undefined,
  pullSeconds: number,
): BytesFrom {
  if (received === undefined || received.ageSeconds > pullSeconds) return said === undefined ? {} : { [said]: size }
  const { shares, left } = dividedLike(received.bytes, size)
  return Object.fromEntries(Object.entries({ ...shares, local: left }).filter(([, bytes]) => bytes > 0))
}

/** Where most came from; null when that was not said. */
export function mainSource(from: BytesFrom): string | null {
  const rows = Object.entries(from)
  return (
    rows.reduce<(typeof rows)[number] | undefined>(
      (most, row) => (row[1] > (most?.[1] ?? -1) ? row : most),
      undefined,
    )?.[0] ?? null
  )
}

/** Of several blobs. */
export function sumFrom(parts: readonly BytesFrom[]): BytesFrom {
  const sum: Record<string, number> = {}
  for (const part of parts) for (const [source, bytes] of Object.entries(part)) sum[source] = (sum[source] ?? 0) + bytes
  return sum
}

import type { StringValue } from 'ms'
import ms from 'ms'

const SIZE = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?$/i
const POWERS = 'kmgt'
const DURATION = /^\d+(?:\.\d+)?\s*(?:ms|s|m|h|d|w)$/

/**
 * A number of bytes as people write it: `1048576`, `100MiB`, `1.5 GiB` (powers of 1024), `2GB` (powers of 1000).
 * Undefined for anything else, and for what no safe integer holds.
 */
export function parseSizeBytes(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  const match = typeof value === 'string' ? SIZE.exec(value.trim()) : null
  if (match === null) return undefined
  const power = match[2] === undefined ? 0 : POWERS.indexOf(match[2].toLowerCase()) + 1
  const bytes = Math.round(Number(match[1]) * (match[3] === 'i' || match[3] === 'I' ? 1024 : 1000) ** power)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** A rate in bytes per second: a size, with or without `/s`. */
export function parseRateBytesPerSec(value: unknown): number | undefined {
  return parseSizeBytes(typeof value === 'string' ? value.replace(/\/s$/, '') : value)
}

/** A length of time as people write it (`500ms`, `30s`, `24h`, `7d`; `0` needs no unit), in milliseconds. */
export function parseDurationMs(value: unknown): number | undefined {
  if (value === 0 || value === '0') return 0
  if (typeof value !== 'string' || !DURATION.test(value.trim())) return undefined
  // The pattern above is a subset of what ms reads.
  return Math.round(ms(value.trim() as StringValue))
}

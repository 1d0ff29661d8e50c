import { ShoalError } from '../base/errors.ts'
import type { ByteRange } from '../piece/piece-layout.ts'

/** What a server said to a GET with a Range (RFC 9110 section 14). */
interface RangeAnswer {
  readonly status: number
  readonly contentRange: string | undefined
  readonly contentLength: number | undefined
}

interface ContentRange {
  readonly start: number
  /** Exclusive, unlike in the header. */
  readonly end: number
  /** Undefined for `*`. */
  readonly size: number | undefined
}

/** Parses `bytes a-b/size` and `bytes a-b/*`. */
export function parseContentRange(text: string | undefined): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(text?.trim() ?? '')
  if (match === null) return undefined
  return {
    start: Number(match[1]),
    end: Number(match[2]) + 1,
    size: match[3] === '*' ? undefined : Number(match[3]),
  }
}

interface ExpectedRange {
  readonly range: ByteRange
  readonly size: number
  readonly maxSkipBytes: number
  readonly place: string
}

/**
 * How many bytes of the body come before the range asked for: 0 from a server that does as told, `range.start` from one
 * that ignores Range. Throws `ORIGIN_CHANGED` when the whole has another size than expected, `ORIGIN_UNREACHABLE` when
 * the answer cannot hold the range.
 */
export function bytesToSkip(answer: RangeAnswer, { range, size, maxSkipBytes, place }: ExpectedRange): number {
  const sent = answer.status === 206 ? parseContentRange(answer.contentRange) : wholeBody(answer)
  if (sent === undefined) throw unusable(`${place} sent a partial answer without saying which part`)
  if (sent.size !== undefined && sent.size !== size) {
    throw new ShoalError('ORIGIN_CHANGED', `${place} has ${sent.size} bytes where ${size} were expected`)
  }
  const skip = range.start - sent.start
  if (skip < 0 || sent.end < range.end) throw unusable(`${place} sent another range than the one asked for`)
  if (skip > maxSkipBytes) throw unusable(`${place} ignores Range, and ${skip} bytes are too many to throw away`)
  return skip
}

function wholeBody({ contentLength }: RangeAnswer): ContentRange {
  return { start: 0, end: contentLength ?? Number.MAX_SAFE_INTEGER, size: contentLength }
}

function unusable(message: string): ShoalError {
  return new ShoalError('ORIGIN_UNREACHABLE', message)
}

import type { ReadRange } from '../blob/interface.ts'
import type { ByteRange } from '../piece/piece-layout.ts'

/** What of a blob to send: all of it (200), a part (206), several (206, multipart), or a refusal (416). */
export type RangeSelection =
  | { readonly kind: 'whole' }
  /** `isOpen`: the client names no end. */
  | { readonly kind: 'part'; readonly range: ReadRange; readonly isOpen: boolean }
  | { readonly kind: 'parts'; readonly ranges: readonly ReadRange[] }
  | { readonly kind: 'unsatisfiable' }

/** More ranges than this in one request are no reader's (RFC 9110, 14.2 lets a server ignore them): it gets the whole. */
const MOST_RANGES = 64

const UNIT = /^bytes=/i
const SPEC = /^([0-9]*)-([0-9]*)$/
const WHOLE: RangeSelection = { kind: 'whole' }

/**
 * Chooses by a Range header (RFC 9110, 14.2). Of several ranges those that lie beyond the end are left out, and those
 * that overlap or touch become one, in the order they were asked for. What cannot be read gives the whole, which every
 * client must accept, and so does any range of an empty blob, as at other registries; `bytes=0-` is a part, because containerd tells by the 206 that it may fetch in parallel. A single
 * range that ends before it starts is refused, as the OCI conformance suite expects, where the RFC would ignore it.
 */
export function selectRange(header: string | undefined, sizeBytes: number): RangeSelection {
  if (header === undefined || sizeBytes === 0 || !UNIT.test(header)) return WHOLE
  const specs = header.replace(UNIT, '').split(',', 2 * MOST_RANGES)
  const asked = specs.map((spec) => spec.trim()).filter((spec) => spec !== '')
  if (asked.length === 0 || asked.length > MOST_RANGES) return WHOLE
  const ranges: ReadRange[] = []
  for (const spec of asked) {
    const [, first = '', last = ''] = SPEC.exec(spec) ?? []
    const isBackward = first !== '' && last !== '' && Number(last) < Number(first)
    if ((first === '' && last === '') || (isBackward && asked.length > 1)) return WHOLE
    const range = rangeOf(first, last, sizeBytes)
    if (range.start < range.end) ranges.push(range)
  }
  const parts = coalesced(ranges)
  if (parts.length > 1) return { kind: 'parts', ranges: parts }
  const isOpen = asked.length === 1 && asked[0]?.endsWith('-') === true
  return parts[0] === undefined ? { kind: 'unsatisfiable' } : { kind: 'part', range: parts[0], isOpen }
}

function rangeOf(first: string, last: string, sizeBytes: number): ReadRange {
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first)
  const end = first === '' || last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)
  // a client that names no end reads to the end: a resumed or a parallel pull
  const isPart = (first === '' || last !== '') && !(start === 0 && end === sizeBytes)
  return { start, end, isPart }
}

/** No two that overlap or touch; each stands where the first of its own stood. */
function coalesced(ranges: readonly ReadRange[]): ReadRange[] {
  const parts: ReadRange[] = []
  for (const range of ranges) {
    let merged = range
    let at = parts.length
    for (let i = parts.length - 1; i >= 0; i--) {
      const other = parts[i]!
      if (merged.start > other.end || other.start > merged.end) continue
      const isPart = merged.isPart === true && other.isPart === true
      merged = { start: Math.min(merged.start, other.start), end: Math.max(merged.end, other.end), isPart }
      parts.splice(i, 1)
      at = i
    }
    parts.splice(at, 0, merged)
  }
  return parts
}

/** `bytes first-last/size`, of a part; of nothing, the form that goes with a 416. */
export function contentRange(range: ByteRange | undefined, sizeBytes: number): string {
  return range === undefined ? `bytes */${sizeBytes}` : `bytes ${range.start}-${range.end - 1}/${sizeBytes}`
}

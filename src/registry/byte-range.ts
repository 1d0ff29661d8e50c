import type { ByteRange } from '../piece/piece-layout.ts'

/** What of a blob to send: all of it (200), a part (206), or a refusal (416). */
export type RangeSelection =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  | { readonly kind: 'unsatisfiable' }

const SINGLE_RANGE = /^bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*$/i

/**
 * Chooses by a Range header (RFC 9110, 14.2). Several ranges and unknown units give the whole, which every client
 * must accept; `bytes=0-` is a part, because containerd tells by the 206 that it may fetch in parallel. A range that
 * ends before it starts is refused, as the OCI conformance suite expects, where the RFC would ignore it.
 */
export function selectRange(header: string | undefined, sizeBytes: number): RangeSelection {
  const match = header === undefined ? null : SINGLE_RANGE.exec(header)
  const [first, last] = [match?.[1] ?? '', match?.[2] ?? '']
  if (first === '' && last === '') return { kind: 'whole' }
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first)
  const end = first === '' || last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)
  return start < end ? { kind: 'part', range: { start, end } } : { kind: 'unsatisfiable' }
}

/** `bytes first-last/size`, of a part; of nothing, the form that goes with a 416. */
export function contentRange(range: ByteRange | undefined, sizeBytes: number): string {
  return range === undefined ? `bytes */${sizeBytes}` : `bytes ${range.start}-${range.end - 1}/${sizeBytes}`
}

import { abortError, sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Outcome } from '../base/outcome.ts'
import { isRefused } from '../base/outcome.ts'
import { ALONE_MS } from '../base/patience.ts'
import type { ByteRange } from '../piece/piece-layout.ts'
import { OWN_CLIENT } from '../tier/index.ts'
import type { OpenRequest, Transfers } from '../transfer/index.ts'
import type { BlobReader, ReadRange } from './interface.ts'
import { RangeReader } from './range-reader.ts'
import { PendingReader } from './readers.ts'

/** A blob, and the part of it that is wanted. */
export interface WantedPart extends OpenRequest {
  readonly size: number
  readonly reads: ReadRange
}

/** Whether a small part is wanted of a blob that would cost whole pieces. */
export function isSmallPart(wanted: WantedPart, transfers: Transfers): boolean {
  const { reads, authorization } = wanted
  return reads.isPart === true && authorization === undefined && transfers.ranges.isWorthAsking(queryOf(wanted))
}

/** Opens a blob of which a small part is wanted: that comes by itself if it can, or else as pieces. */
export async function openPart(
  wanted: WantedPart,
  open: (signal: AbortSignal) => Promise<Outcome<BlobReader>>,
  { transfers, clock }: { readonly transfers: Transfers; readonly clock: Clock },
  signal: AbortSignal,
): Promise<Outcome<BlobReader>> {
  const { digest, size } = wanted
  const range = transfers.ranges.find(queryOf(wanted), { asker: OWN_CLIENT }, signal).then(
    (found) => (isRefused(found) ? undefined : found),
    () => undefined,
  )
  const early = await Promise.race([range, sleep(clock, ALONE_MS, signal)])
  const left = new AbortController()
  const isTainted = transfers.tainted(digest)
  const begin = (): Promise<Outcome<BlobReader>> => open(AbortSignal.any([signal, left.signal]))
  const pending = (opening: Promise<Outcome<BlobReader>>): BlobReader => new PendingReader(size, isTainted, opening)
  const leave = (): void => left.abort(abortError('the range has come by itself'))
  const rest = { size, isTainted, open: () => pending(begin()), leave }
  if (early !== undefined) return new RangeReader(early, rest, clock)
  const opening = begin()
  const late = await Promise.race([range, opening.then(() => undefined)])
  return late === undefined ? opening : new RangeReader(late, rest, clock, pending(opening))
}

function queryOf(wanted: WantedPart): WantedPart & ByteRange {
  const { start, end } = wanted.reads
  return { ...wanted, start, end }
}

import { isRefused } from '../base/outcome.ts'
import type { BlobReader, ClientRef, ContentSource, ReadRange } from '../blob/interface.ts'
import type { Digest } from '../oci/digest.ts'
import { MEDIA_TYPE } from '../oci/manifest.ts'
import type { Answer } from './answer.ts'
import { NO_BODY } from './answer.ts'
import type { RangeSelection } from './byte-range.ts'
import { contentRange, selectRange } from './byte-range.ts'
import { conditionalStatus, etagOf, ifRangeHolds } from './conditional.ts'
import { multipart } from './multipart.ts'
import { cannotServe, ociError, refusalAnswer } from './oci-error.ts'
import { outcomeOf } from './outcome.ts'
import type { RouteContext } from './route-context.ts'

/** GET and HEAD /v2/<name>/blobs/<digest> (distribution-spec end-2). */
export function answerBlob(digest: Digest, context: RouteContext): Promise<Answer> {
  return context.head ? headBlob(digest, context) : getBlob(digest, context)
}

/** HEAD tells of the whole blob: Range is defined for GET only (RFC 9110, 14.2). */
async function headBlob(digest: Digest, context: RouteContext): Promise<Answer> {
  const ask = (ref: ClientRef, signal: AbortSignal) => context.content.statBlob({ ...ref, digest }, signal)
  const outcome = await outcomeOf(context, ask, { target: digest })
  if (isRefused(outcome)) return refusalAnswer('blobs', outcome, context.asker)
  const headers = blobHeaders(digest, outcome.source)
  const status = conditionalStatus(context.headers, digest)
  if (status !== undefined) return { status, headers, body: NO_BODY }
  return { status: 200, headers: { ...headers, ...entityHeaders(outcome.size) }, body: NO_BODY }
}

async function getBlob(digest: Digest, context: RouteContext): Promise<Answer> {
  const ranges = (size: number): readonly ReadRange[] => rangesOf(selectionOf(digest, size, context), size)
  const reads = (size: number): ReadRange => ranges(size)[0] ?? { start: 0, end: size }
  const readsThen = (size: number): readonly ReadRange[] => ranges(size).slice(1)
  const asked = context.headers.range === undefined ? { digest } : { digest, reads, readsThen }
  const ask = (ref: ClientRef, signal: AbortSignal) => context.content.openBlob({ ...ref, ...asked }, signal)
  const discard = (late: BlobReader): void => context.adopt(late[Symbol.asyncDispose]())
  const outcome = await outcomeOf(context, ask, { target: digest, discard })
  if (isRefused(outcome)) return refusalAnswer('blobs', outcome, context.asker)
  await using owned = new AsyncDisposableStack()
  const reader = owned.use(outcome)
  const answer = openedAnswer(digest, reader, context)
  // Only an answer that carries the reader takes it along; in every other case it is given back here.
  if ('reader' in answer.body) owned.move()
  return answer
}

function openedAnswer(digest: Digest, reader: BlobReader, context: RouteContext): Answer {
  const { size } = reader
  const headers = blobHeaders(digest, reader.source)
  const status = conditionalStatus(context.headers, digest)
  if (status !== undefined) return { status, headers, body: NO_BODY }
  const selection = selectionOf(digest, size, context)
  if (selection.kind === 'unsatisfiable') {
    return ociError(416, 'RANGE_INVALID', `the blob has ${size} bytes`, {
      'Content-Range': contentRange(undefined, size),
    })
  }
  if (selection.kind === 'whole') {
    const parts = [{ range: { start: 0, end: size } }]
    return { status: 200, headers: { ...headers, ...entityHeaders(size) }, body: { reader, parts } }
  }
  const ranges = selection.kind === 'part' ? [selection.range] : selection.ranges
  if (!ranges.every(({ start }) => start === 0 || reader.resumable(start))) {
    return cannotServe('blobs', 'this blob cannot be continued here: its beginning turned out wrong')
  }
  return selection.kind === 'part'
    ? partAnswer(selection, reader, headers, digest)
    : partsAnswer(selection.ranges, reader, headers)
}

function partAnswer(
  { range, isOpen }: Extract<RangeSelection, { kind: 'part' }>,
  reader: BlobReader,
  headers: Answer['headers'],
  digest: Digest,
): Answer {
  const entity = entityHeaders(range.end - range.start)
  const part = { 'Content-Range': contentRange(range, reader.size) }
  const body = { reader, parts: [{ range }], openEnded: isOpen ? digest : undefined }
  return { status: 206, headers: { ...headers, ...entity, ...part }, body }
}

/** Each part says where it lies; the whole answer does not (RFC 9110, 15.3.7.2). */
function partsAnswer(ranges: readonly ReadRange[], reader: BlobReader, headers: Answer['headers']): Answer {
  const { contentType, contentLength, body } = multipart(reader, ranges)
  const entity = { ...entityHeaders(contentLength), 'Content-Type': contentType }
  return { status: 206, headers: { ...headers, ...entity }, body }
}

/** What is read, one after the other. */
function rangesOf(selection: RangeSelection, size: number): readonly ReadRange[] {
  switch (selection.kind) {
    case 'whole':
    case 'unsatisfiable':
      return [{ start: 0, end: size }]
    case 'part':
      return [selection.range]
    case 'parts':
      return selection.ranges
    default:
      return selection satisfies never
  }
}

function selectionOf(digest: Digest, size: number, context: RouteContext): RangeSelection {
  const ifRange = context.headers['if-range']
  const holds = ifRangeHolds(typeof ifRange === 'string' ? ifRange : undefined, digest)
  return holds ? selectRange(context.headers.range, size) : { kind: 'whole' }
}

function blobHeaders(digest: Digest, source: ContentSource): Record<string, string> {
  return { 'Docker-Content-Digest': digest, ETag: etagOf(digest), 'X-Shoal-Source': source }
}

function entityHeaders(length: number): Record<string, string | number> {
  return { 'Content-Type': MEDIA_TYPE.octetStream, 'Content-Length': length, 'Accept-Ranges': 'bytes' }
}

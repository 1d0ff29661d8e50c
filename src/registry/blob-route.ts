import type { BlobReader, ContentSource } from '../blob/interface.ts'
import type { Digest } from '../oci/digest.ts'
import { MEDIA_TYPE } from '../oci/manifest.ts'
import type { Answer } from './answer.ts'
import { NO_BODY } from './answer.ts'
import type { RangeSelection } from './byte-range.ts'
import { contentRange, selectRange } from './byte-range.ts'
import { etagOf, ifRangeHolds, noneMatchHits } from './conditional.ts'
import { cannotServe, ociError, refusalAnswer } from './oci-error.ts'
import { firstKnown, outcomeInTime } from './outcome.ts'
import type { RouteContext } from './route-context.ts'

/** GET and HEAD /v2/<name>/blobs/<digest> (distribution-spec end-2). */
export function answerBlob(digest: Digest, context: RouteContext): Promise<Answer> {
  return context.head ? headBlob(digest, context) : getBlob(digest, context)
}

/** HEAD tells of the whole blob: Range is defined for GET only (RFC 9110, 14.2). */
async function headBlob(digest: Digest, context: RouteContext): Promise<Answer> {
  const outcome = await outcomeInTime(
    (signal) => firstKnown(context.candidates, (ref) => context.content.statBlob({ ...ref, digest }, signal)),
    context.clock,
    context.client,
  )
  if (!outcome.ok) return refusalAnswer('blobs', outcome)
  const headers = blobHeaders(digest, outcome.value.source)
  if (noneMatchHits(context.headers['if-none-match'], digest)) return { status: 304, headers, body: NO_BODY }
  return { status: 200, headers: { ...headers, ...entityHeaders(outcome.value.size) }, body: NO_BODY }
}

async function getBlob(digest: Digest, context: RouteContext): Promise<Answer> {
  const outcome = await outcomeInTime(
    (signal) => firstKnown(context.candidates, (ref) => context.content.openBlob({ ...ref, digest }, signal)),
    context.clock,
    context.client,
    (late) => context.adopt(late[Symbol.asyncDispose]()),
  )
  if (!outcome.ok) return refusalAnswer('blobs', outcome)
  await using owned = new AsyncDisposableStack()
  const reader = owned.use(outcome.value)
  const answer = openedAnswer(digest, reader, context)
  // Only an answer that carries the reader takes it along; in every other case it is given back here.
  if ('reader' in answer.body) owned.move()
  return answer
}

function openedAnswer(digest: Digest, reader: BlobReader, context: RouteContext): Answer {
  const { size } = reader
  const headers = blobHeaders(digest, reader.source)
  if (noneMatchHits(context.headers['if-none-match'], digest)) return { status: 304, headers, body: NO_BODY }
  const selection = selectionOf(digest, size, context)
  if (selection.kind === 'unsatisfiable') {
    return ociError(416, 'RANGE_INVALID', `the blob has ${size} bytes`, {
      'Content-Range': contentRange(undefined, size),
    })
  }
  if (selection.kind === 'whole') {
    const range = { start: 0, end: size }
    return { status: 200, headers: { ...headers, ...entityHeaders(size) }, body: { reader, range } }
  }
  const { range } = selection
  if (range.start > 0 && !reader.resumable(range.start)) {
    return cannotServe('blobs', 'this blob cannot be continued here: its beginning turned out wrong')
  }
  return {
    status: 206,
    headers: {
      ...headers,
      ...entityHeaders(range.end - range.start),
      'Content-Range': contentRange(range, size),
    },
    body: { reader, range },
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

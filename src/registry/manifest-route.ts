import type { TagOrDigest } from '../oci/reference.ts'
import type { Answer } from './answer.ts'
import { bytesAnswer, NO_BODY } from './answer.ts'
import { etagOf, noneMatchHits } from './conditional.ts'
import { refusalAnswer } from './oci-error.ts'
import { firstKnown, outcomeInTime } from './outcome.ts'
import type { RouteContext } from './route-context.ts'

/**
 * GET and HEAD /v2/<name>/manifests/<reference> (distribution-spec end-3). The stored bytes under their stored type:
 * Accept is not looked at, since a manifest is never converted and a 406 would only send the client away.
 */
export async function answerManifest(target: TagOrDigest, context: RouteContext): Promise<Answer> {
  const outcome = await outcomeInTime(
    (signal) =>
      firstKnown(context.candidates, (ref) => context.content.manifest({ ...ref, target }, signal), context.foundAt),
    context.clock,
    context.client,
  )
  if (!outcome.ok) return refusalAnswer('manifests', outcome)
  const { digest, mediaType, bytes, source, stale } = outcome.value
  const headers = {
    'Docker-Content-Digest': digest,
    ETag: etagOf(digest),
    'X-Shoal-Source': source,
    ...(stale ? { 'X-Shoal-Stale': 'true' } : {}),
  }
  if (noneMatchHits(context.headers['if-none-match'], digest)) return { status: 304, headers, body: NO_BODY }
  return bytesAnswer(200, { ...headers, 'Content-Type': mediaType }, bytes)
}

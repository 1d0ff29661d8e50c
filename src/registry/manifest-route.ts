import { isRefused } from '../base/outcome.ts'
import type { ClientRef } from '../blob/interface.ts'
import type { TagOrDigest } from '../oci/reference.ts'
import type { Answer } from './answer.ts'
import { bytesAnswer, NO_BODY } from './answer.ts'
import { conditionalStatus, etagOf } from './conditional.ts'
import { refusalAnswer } from './oci-error.ts'
import { outcomeOf } from './outcome.ts'
import type { RouteContext } from './route-context.ts'

/**
 * GET and HEAD /v2/<name>/manifests/<reference> (distribution-spec end-3). The stored bytes under their stored type:
 * Accept is not looked at, since a manifest is never converted and a 406 would only send the client away.
 */
export async function answerManifest(target: TagOrDigest, context: RouteContext): Promise<Answer> {
  const ask = (ref: ClientRef, signal: AbortSignal) => context.content.manifest({ ...ref, target }, signal)
  const outcome = await outcomeOf(context, ask, { target: target.kind === 'tag' ? target.tag : target.digest })
  if (isRefused(outcome)) return refusalAnswer('manifests', outcome, context.asker)
  const { digest, mediaType, bytes, source, stale } = outcome
  const headers = {
    'Docker-Content-Digest': digest,
    ETag: etagOf(digest),
    'X-Shoal-Source': source,
    ...(stale ? { 'X-Shoal-Stale': 'true' } : {}),
  }
  const status = conditionalStatus(context.headers, digest)
  if (status !== undefined) return { status, headers, body: NO_BODY }
  return bytesAnswer(200, { ...headers, 'Content-Type': mediaType }, bytes)
}

import { z } from 'zod'
import { parseJson } from '../base/json.ts'
import type { Outcome } from '../base/outcome.ts'
import { isRefused } from '../base/outcome.ts'
import type { ClientRef, ContentService, ReferrersContent } from '../blob/interface.ts'
import type { Digest } from '../oci/digest.ts'
import { referrersTag } from '../oci/digest.ts'
import { MEDIA_TYPE } from '../oci/manifest.ts'
import type { Answer } from './answer.ts'
import { bytesAnswer } from './answer.ts'
import { cannotServe, refusalAnswer } from './oci-error.ts'
import { outcomeOf } from './outcome.ts'
import type { RouteContext } from './route-context.ts'

const EMPTY_INDEX = new TextEncoder().encode(
  JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] }),
)

const indexSchema = z.looseObject({ manifests: z.array(z.looseObject({ artifactType: z.string().optional() })) })

/**
 * GET /v2/<name>/referrers/<digest> (distribution-spec end-12). An upstream without this API keeps referrers under a
 * tag, and a client that is told "none" here no longer looks there: so that tag is read before the empty list is sent.
 */
export async function answerReferrers(digest: Digest, context: RouteContext): Promise<Answer> {
  const { artifactType } = context.query
  const outcome = await outcomeOf(context, (ref, signal) =>
    askReferrers(context.content, ref, digest, artifactType, signal),
  )
  if (isRefused(outcome) && outcome.reason !== 'unknown') return refusalAnswer('referrers', outcome, context.asker)
  const found = isRefused(outcome) ? { bytes: EMPTY_INDEX, filtered: false } : outcome
  const headers = { 'Content-Type': MEDIA_TYPE.ociIndex }
  if (artifactType === undefined) return bytesAnswer(200, headers, found.bytes)
  const bytes = found.filtered ? found.bytes : filterIndex(found.bytes, artifactType)
  if (bytes === undefined) return cannotServe('referrers', 'the upstream sent no index of referrers')
  return bytesAnswer(200, { ...headers, 'OCI-Filters-Applied': 'artifactType' }, bytes)
}

async function askReferrers(
  content: ContentService,
  ref: ClientRef,
  digest: Digest,
  artifactType: string | undefined,
  signal: AbortSignal,
): Promise<Outcome<ReferrersContent>> {
  const outcome = await content.referrers({ ...ref, digest, artifactType }, signal)
  if (!isRefused(outcome) || outcome.reason !== 'unknown') return outcome
  const tag = referrersTag(digest)
  const tagged = await content.manifest({ ...ref, target: { kind: 'tag', tag } }, signal)
  if (isRefused(tagged)) return tagged
  if (tagged.mediaType !== MEDIA_TYPE.ociIndex) return outcome
  return { kind: 'referrers', bytes: tagged.bytes, filtered: false }
}

/** The index with only the descriptors of one artifact type; undefined when the bytes are no index. */
export function filterIndex(bytes: Uint8Array, artifactType: string): Uint8Array | undefined {
  const parsed = indexSchema.safeParse(parseJson(bytes))
  if (!parsed.success) return undefined
  const manifests = parsed.data.manifests.filter((descriptor) => descriptor.artifactType === artifactType)
  return new TextEncoder().encode(JSON.stringify({ ...parsed.data, manifests }))
}

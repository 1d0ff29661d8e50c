import type { Refusal } from '../base/outcome.ts'
import type { Answer } from './answer.ts'
import { jsonAnswer } from './answer.ts'

/** Error codes of the distribution spec, "Error Codes", and three of the reference registry's for queries, ranges and outages. */
export type OciErrorCode =
  | 'BLOB_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PAGINATION_NUMBER_INVALID'
  | 'RANGE_INVALID'
  | 'UNAVAILABLE'
  | 'UNAUTHORIZED'
  | 'UNSUPPORTED'

/** Who sent a request: a runtime, or another Shoal that has this one for an origin. */
export type Asker = 'runtime' | 'mirror'

/** The routes that ask the content service. */
type ContentRoute = 'manifests' | 'blobs' | 'tags' | 'referrers'

/** In whose words a failure is told; what asks for no content has none. */
export function contentRoute(route: ContentRoute | 'base' | 'token' | 'other'): ContentRoute {
  return route === 'base' || route === 'token' || route === 'other' ? 'tags' : route
}

const UNKNOWN_CODE = {
  manifests: 'MANIFEST_UNKNOWN',
  blobs: 'BLOB_UNKNOWN',
  tags: 'NAME_UNKNOWN',
  referrers: 'MANIFEST_UNKNOWN',
} as const satisfies Record<ContentRoute, OciErrorCode>

/** Messages may quote an upstream: enough to read, not enough to flood a client's log. */
const MAX_MESSAGE_LENGTH = 300

export function ociError(
  status: number,
  code: OciErrorCode,
  message: string,
  headers: Readonly<Record<string, string | number>> = {},
): Answer {
  const refused = { code, message: message.slice(0, MAX_MESSAGE_LENGTH) }
  return { ...jsonAnswer(status, { errors: [refused] }, headers), refused }
}

/** 404 in the words of the route: the one status on which every runtime goes on to its next endpoint at once. */
export function cannotServe(route: ContentRoute, message: string): Answer {
  return ociError(404, UNKNOWN_CODE[route], message)
}

/**
 * A refusal of the content service as HTTP. Only a passthrough challenge is a 401; a 403, 429 or 5xx would make some
 * runtimes stall or fail where a 404 sends them upstream. Another mirror would take a 404 for the registry's own "unknown":
 * it is told what is the matter.
 */
export function refusalAnswer(route: ContentRoute, refusal: Refusal, asker: Asker): Answer {
  const { reason, message, challenge } = refusal
  if (challenge !== undefined) return ociError(401, 'UNAUTHORIZED', message, { 'WWW-Authenticate': challenge })
  if (asker === 'runtime' || reason === 'unknown') return cannotServe(route, message)
  return reason === 'unavailable' ? ociError(502, 'UNAVAILABLE', message) : ociError(403, 'DENIED', message)
}

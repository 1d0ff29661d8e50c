import type { Refusal } from '../blob/interface.ts'
import type { Answer } from './answer.ts'
import { jsonAnswer } from './answer.ts'

/** Error codes of the distribution spec, "Error Codes", and two of the reference registry's for queries and ranges. */
export type OciErrorCode =
  | 'BLOB_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PAGINATION_NUMBER_INVALID'
  | 'RANGE_INVALID'
  | 'UNAUTHORIZED'
  | 'UNSUPPORTED'

/** The routes that ask the content service. */
export type ContentRoute = 'manifests' | 'blobs' | 'tags' | 'referrers'

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
  return jsonAnswer(status, { errors: [{ code, message: message.slice(0, MAX_MESSAGE_LENGTH) }] }, headers)
}

/** 404 in the words of the route: the one status on which every runtime goes on to its next endpoint at once. */
export function cannotServe(route: ContentRoute, message: string): Answer {
  return ociError(404, UNKNOWN_CODE[route], message)
}

/**
 * A refusal of the content service as HTTP. Only a passthrough challenge is a 401; a 403, 429 or 5xx would make some
 * runtimes stall or fail where a 404 sends them upstream.
 */
export function refusalAnswer(route: ContentRoute, refusal: Refusal): Answer {
  if (refusal.reason === 'unauthorized' && refusal.challenge !== undefined) {
    return ociError(401, 'UNAUTHORIZED', refusal.message, { 'WWW-Authenticate': refusal.challenge })
  }
  return cannotServe(route, refusal.message)
}

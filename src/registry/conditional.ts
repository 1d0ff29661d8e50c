import type { Digest } from '../oci/digest.ts'

/** The entity tag of content named by `digest`: strong, since the digest is of the very bytes. */
export function etagOf(digest: Digest): string {
  return `"${digest}"`
}

/**
 * Whether an If-None-Match header names `digest`, so that 304 is the answer: `*`, a list, weak tags (RFC 9110, 13.1.2
 * compares weakly), and bare digests, which some registry clients send.
 */
export function noneMatchHits(header: string | undefined, digest: Digest): boolean {
  if (header === undefined) return false
  // Entity tags of digests hold no comma, so that splitting is safe for any tag that can match.
  return header.split(',').some((entry) => {
    const tag = entry.trim().replace(/^W\//i, '')
    return tag === '*' || tag === digest || tag === etagOf(digest)
  })
}

/**
 * Whether an If-Match header names other content only, so that 412 is the answer and nothing is sent: tags compare
 * strongly (RFC 9110, 13.1.1), and a bare digest counts as in If-None-Match.
 */
function matchFails(header: string | undefined, digest: Digest): boolean {
  if (header === undefined) return false
  const names = (entry: string): boolean => ['*', digest, etagOf(digest)].includes(entry.trim())
  return !header.split(',').some(names)
}

/** The status of an answer without content that a request's own conditions ask for, if they do. */
export function conditionalStatus(
  headers: { readonly 'if-match'?: string | undefined; readonly 'if-none-match'?: string | undefined },
  digest: Digest,
): 304 | 412 | undefined {
  if (matchFails(headers['if-match'], digest)) return 412
  return noneMatchHits(headers['if-none-match'], digest) ? 304 : undefined
}

/** Whether a Range header counts in the presence of If-Range: only a strong match says the client's part is of this blob. */
export function ifRangeHolds(header: string | undefined, digest: Digest): boolean {
  return header === undefined || header.trim() === etagOf(digest) || header.trim() === digest
}

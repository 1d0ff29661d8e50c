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

/** Whether a Range header counts in the presence of If-Range: only a strong match says the client's part is of this blob. */
export function ifRangeHolds(header: string | undefined, digest: Digest): boolean {
  return header === undefined || header.trim() === etagOf(digest) || header.trim() === digest
}

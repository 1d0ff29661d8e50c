import type { TagOrDigest } from '../oci/reference.ts'
import { looksLikeHost, parseReference, tagOrDigestText, wholeReferenceText } from '../oci/reference.ts'

/** What to pull. Without an upstream the mirror searches the ones it is configured to. */
export interface PullTarget {
  readonly upstream: string | undefined
  readonly repository: string
  readonly target: TagOrDigest
}

/** Reads `[host/]repository[:tag][@digest]`. Throws `REFERENCE_INVALID`. */
export function parsePullTarget(text: string): PullTarget {
  const { upstream, repository, target } = parseReference(text, 'local')
  const named = text.includes('/') && looksLikeHost(text.slice(0, text.indexOf('/')))
  return { upstream: named ? upstream : undefined, repository, target }
}

/** The text that `parsePullTarget` reads. */
export function pullTargetText({ upstream, repository, target }: PullTarget): string {
  if (upstream !== undefined) return wholeReferenceText({ upstream, repository, target })
  return `${repository}${target.kind === 'tag' ? ':' : '@'}${tagOrDigestText(target)}`
}

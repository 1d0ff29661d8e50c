import type { Digest } from '../oci/digest.ts'
import type { TagOrDigest } from '../oci/reference.ts'

/** Who can tell this host of a push: the last part of `/hooks/<source>`. */
export const WEBHOOK_SOURCES = ['distribution', 'harbor', 'dockerhub', 'ghcr', 'ecr'] as const

export type WebhookSource = (typeof WEBHOOK_SOURCES)[number]

interface HintedRepository {
  /** The registry's own name for itself, which need not be what this fleet calls it. */
  readonly upstream?: string | undefined
  readonly repository: string
}

/** What a webhook says was pushed. A hint: nothing of it is believed before the origin has said the same. */
interface PushHint extends HintedRepository {
  readonly tag: string
  readonly digest?: Digest | undefined
}

/** What it says was deleted: a tag, or an image by its digest. */
interface DeletionHint extends HintedRepository {
  readonly deleted: TagOrDigest
}

export type Hint = PushHint | DeletionHint

/** What a job's request has beside its images. */
export type JobOptions = Readonly<Record<string, unknown>>

/** Which pushes start a job, and what that job is like; or which deletions start a purge. */
export interface WebhookRule {
  readonly source: WebhookSource
  /** What this fleet calls the registry; undefined takes the hint's own word, where it is a configured upstream. */
  readonly upstream?: string | undefined
  /** Patterns: see pattern.ts. */
  readonly repository: string
  readonly tag: string
  /** What proves that a webhook is from that source; of at least 16 characters. */
  readonly secret: string
  readonly options: JobOptions
  /** The rule is about deletions, and about no push. */
  readonly purge: boolean
}

/** A webhook's request before its body is read. */
export interface WebhookHead {
  readonly source: string
  /** As node:http gives them: names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** What stands behind the source in the path. */
  readonly pathSecret?: string | undefined
}

/**
 * - `accepted`: it is who it says, and `matched` jobs may follow (none for what no rule wants).
 * - `unknown`: no rule has this source.
 * - `unauthorized`: no rule's secret is proven.
 * - `invalid`: proven, but not in the format of its source.
 * - `busy`: too much is waiting already; the sender should try again.
 */
export type WebhookResponse =
  | { readonly kind: 'accepted'; readonly matched: number }
  | { readonly kind: 'unknown' | 'unauthorized' | 'busy' }
  | { readonly kind: 'invalid'; readonly message: string }

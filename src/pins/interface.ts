import type { Digest } from '../oci/digest.ts'
import type { Reference, RepositoryRef, TagRef } from '../oci/reference.ts'

/** Manifests and what they are for, in the fleet's own name: provided by whoever puts the rooms together. */
export interface ImageSource {
  /** Throws a ShoalError when there is none or nobody can give it. Stores it, and what it grants. */
  manifest(ref: Reference, signal: AbortSignal): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array }>
  /** What a config says its image is for, `os/arch[/variant]`; undefined when it does not say. Throws when nobody can give it. */
  platform(
    repository: RepositoryRef,
    config: { readonly digest: Digest; readonly size: number },
    signal: AbortSignal,
  ): Promise<string | undefined>
  /** Notes what a tag pointed to at `epochMs`, unless something newer is known. */
  rememberTag(ref: TagRef, digest: Digest, epochMs: number): Promise<void>
  /** Whether an upstream of this name is configured. */
  knows(upstream: string): boolean
  /** Whether content of this upstream may be fetched in the fleet's name. */
  shareable(upstream: string): boolean
}

/** An image that a job has resolved: what its pin keeps. */
export interface ResolvedImage extends RepositoryRef {
  /** Null when it was named by its digest. */
  readonly tag: string | null
  readonly digest: Digest
  /** Parents first; the first is `digest`. */
  readonly manifests: readonly Digest[]
}

/** An image that stays on this host for a while: its manifests, config and layers are not evicted. */
export interface PinView {
  readonly reference: string
  /** The prewarm job whose pin it is; null = an operator's, of which there is one for each reference. */
  readonly job: string | null
  /** What the reference meant when it was pinned. */
  readonly digest: string
  readonly untilEpochMs: number
  readonly blobs: number
  readonly bytes: number
  /** Of these, how many are here: pinning moves no content. */
  readonly presentBytes: number
}

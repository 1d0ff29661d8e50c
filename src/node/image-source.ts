import { ShoalError } from '../base/errors.ts'
import type { Manifests, Outcome, TagCache, UpstreamAccess } from '../blob/index.ts'
import type { Digest } from '../oci/digest.ts'
import type { Reference, TagOrDigest } from '../oci/reference.ts'
import { referenceText } from '../oci/reference.ts'
import type { ImageSource } from '../prewarm/index.ts'

export interface ManifestSourceDeps {
  readonly manifests: Manifests
  readonly tags: TagCache
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>
}

/** Manifests for prewarm, fetched in the fleet's own name. */
export class ManifestSource implements ImageSource {
  readonly #deps: ManifestSourceDeps

  constructor(deps: ManifestSourceDeps) {
    this.#deps = deps
  }

  async manifest(
    ref: { readonly upstream: string; readonly repository: string; readonly target: TagOrDigest },
    signal: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array }> {
    return required(ref, await this.#deps.manifests.find(ref, signal))
  }

  async rememberTag(
    { upstream, repository, tag }: { readonly upstream: string; readonly repository: string; readonly tag: string },
    digest: Digest,
    epochMs: number,
  ): Promise<void> {
    const known = await this.#deps.tags.find(upstream, repository, tag)
    if (known !== undefined && known.confirmedEpochMs >= epochMs) return
    await this.#deps.tags.keep(upstream, repository, tag, { digest, confirmedEpochMs: epochMs })
  }

  shareable(upstream: string): boolean {
    const known = this.#deps.upstreams.get(upstream)
    return known !== undefined && known.access !== 'passthrough'
  }
}

/** An outcome's value; what it refuses with becomes an error that names the image. */
function required<T>(reference: Reference, outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  const code = outcome.reason === 'denied' || outcome.reason === 'unauthorized' ? 'ORIGIN_DENIED' : 'UNAVAILABLE'
  throw new ShoalError(code, `${referenceText(reference)}: ${outcome.message}`)
}

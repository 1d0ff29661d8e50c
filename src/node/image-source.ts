import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { parseJson } from '../base/json.ts'
import type { Outcome } from '../base/outcome.ts'
import { errorOf, isRefused } from '../base/outcome.ts'
import type { Content, Manifests, TagCache, UpstreamAccess } from '../blob/index.ts'
import type { Digest } from '../oci/digest.ts'
import type { Reference, RepositoryRef, TagRef } from '../oci/reference.ts'
import { referenceText } from '../oci/reference.ts'
import type { ImageSource } from '../pins/index.ts'
import { OWN_CLIENT } from '../tier/index.ts'

/** What is larger is read by those who run it. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024
const configSchema = z.object({
  os: z.string().min(1),
  architecture: z.string().min(1),
  variant: z.string().optional(),
})

interface ManifestSourceDeps {
  readonly manifests: Manifests
  readonly tags: TagCache
  readonly clock: Pick<Clock, 'wall'>
  readonly content: Pick<Content, 'openBlob'>
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>
}

/** Manifests for prewarm, fetched in the fleet's own name. */
export class ManifestSource implements ImageSource {
  readonly #deps: ManifestSourceDeps

  constructor(deps: ManifestSourceDeps) {
    this.#deps = deps
  }

  async manifest(
    ref: Reference,
    signal: AbortSignal,
  ): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array }> {
    return required(ref, await this.#deps.manifests.find(ref, OWN_CLIENT, signal))
  }

  async platform(
    { upstream, repository }: RepositoryRef,
    { digest, size }: { readonly digest: Digest; readonly size: number },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (size > MAX_CONFIG_BYTES) return undefined
    const ref = { upstream, repository, target: { kind: 'digest', digest } } as const
    await using reader = required(ref, await this.#deps.content.openBlob({ upstream, repository, digest }, signal))
    const chunks: Uint8Array[] = []
    // a chunk is the reader's again when the next one is asked for
    for await (const chunk of reader.read({ start: 0, end: size }, signal)) chunks.push(Buffer.from(chunk))
    return platformOf(Buffer.concat(chunks).toString())
  }

  async rememberTag(ref: TagRef, digest: Digest, epochMs: number): Promise<void> {
    const { tags, clock } = this.#deps
    const known = await tags.find(ref)
    if (known !== undefined && known.confirmedEpochMs >= epochMs) return
    await tags.keep(ref, { digest, source: 'cache' }, Math.max(0, clock.wall() - epochMs))
  }

  knows(upstream: string): boolean {
    return this.#deps.upstreams.has(upstream)
  }

  shareable(upstream: string): boolean {
    const known = this.#deps.upstreams.get(upstream)
    return known !== undefined && known.access !== 'passthrough'
  }
}

/** Undefined for a config that is not an image's, as artifacts have them. */
function platformOf(config: string): string | undefined {
  const { data } = configSchema.safeParse(parseJson(config))
  if (data === undefined) return undefined
  const { os, architecture, variant } = data
  return [os, architecture, ...(variant === undefined || variant === '' ? [] : [variant])].join('/')
}

/** An outcome's value; what it refuses with becomes an error that names the image, once. */
function required<T>(reference: Reference, outcome: Outcome<T>): T {
  if (!isRefused(outcome)) return outcome
  const { message } = outcome
  const named = message.includes(`${reference.upstream}/${reference.repository}`)
  throw errorOf(outcome, named ? message : `${referenceText(reference)}: ${message}`)
}

import { readTokenFile } from '../admin/index.ts'
import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { HomeService, UpstreamAccess } from '../blob/index.ts'
import type { Config } from '../config/index.ts'
import type { Digest } from '../oci/digest.ts'
import { platformOf, platformText } from '../oci/platform.ts'
import { wholeReferenceText } from '../oci/reference.ts'
import type { ImageSource } from '../pins/index.ts'
import { PinStore, Pins } from '../pins/index.ts'
import type { PrewarmSpec } from '../prewarm/index.ts'
import { parsePrewarmSpec } from '../prewarm/index.ts'
import type { PurgeSpec } from '../purge/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { DeletedImage, HintedImage, WebhookRule } from '../webhook/index.ts'
import { Webhooks } from '../webhook/index.ts'

/** What `--load` and pins call this machine's kind, as images do. */
export function hostPlatform(): string {
  return platformText(platformOf(process.arch))
}

export async function openPins(
  first: () => string,
  { store, images, logger }: { readonly store: BlobStore; readonly images: ImageSource; readonly logger: Logger },
): Promise<Pins> {
  return new Pins(
    { pins: await PinStore.open(store, systemClock, logger), store, images, clock: systemClock },
    { defaultUpstream: first, platform: hostPlatform() },
  )
}

interface OpenWebhooksDeps {
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly images: ImageSource
  readonly home: HomeService
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>
  /** Starts a job. */
  readonly submit: (spec: PrewarmSpec, signal: AbortSignal) => Promise<void>
  /** Has images leave every host. */
  readonly purge: (spec: PurgeSpec, signal: AbortSignal) => Promise<void>
}

/** Webhooks by the configuration's rules. Throws `CONFIG_INVALID` for a secret file that will not do. */
export async function openWebhooks(config: Config, deps: OpenWebhooksDeps): Promise<Webhooks> {
  const { logger, registry, images, submit, purge } = deps
  return new Webhooks(
    {
      clock: systemClock,
      logger,
      registry,
      knows: (upstream) => images.shareable(upstream),
      resolve: (image, signal) => resolveAnew(image, deps, signal),
      submit: (image, _digest, options, signal) =>
        submit(parsePrewarmSpec({ ...options, images: [textOf(image)] }), signal),
      isGone: (image, signal) => isGone(image, deps, signal),
      purge: (image, signal) => purge({ images: [image], dryRun: false }, signal),
    },
    { rules: await rulesOf(config), dedupeMs: config.prewarm.hookWindowMs },
  )
}

async function rulesOf({ prewarm }: Config): Promise<WebhookRule[]> {
  const rules: WebhookRule[] = []
  for (const { upstream, secretFile, ...rule } of prewarm.hooks) {
    const secret = await readTokenFile(secretFile)
    rules.push({ ...rule, secret, upstream: upstream ?? undefined })
  }
  return rules
}

/**
 * What the origin says a tag is now, asked from here, past every cache. Only when it has answered do the caches of the
 * tier forget what they knew: while the origin is down, their last answer is worth more than a hint.
 */
async function resolveAnew(
  { upstream, repository, tag }: HintedImage,
  { home, upstreams }: OpenWebhooksDeps,
  signal: AbortSignal,
): Promise<Digest | undefined> {
  const resolution = await upstreams.get(upstream)?.chain.resolveTag({ repository, tag, signal })
  if (resolution?.kind !== 'found') return undefined
  await home.invalidate({ upstream, repository, tag }, undefined, signal)
  return resolution.state.digest
}

/** Whether the origin itself says that there is no such tag or image. Rejects when it says nothing. */
async function isGone(
  { upstream, repository, target }: DeletedImage,
  { upstreams }: OpenWebhooksDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const chain = upstreams.get(upstream)?.chain
  if (chain === undefined) return false
  if (target.kind === 'digest')
    return (await chain.manifest({ repository, digest: target.digest, signal })) === undefined
  return (await chain.resolveTag({ repository, tag: target.tag, signal })).kind === 'unknown'
}

function textOf({ upstream, repository, tag }: HintedImage): string {
  return wholeReferenceText({ upstream, repository, target: { kind: 'tag', tag } })
}

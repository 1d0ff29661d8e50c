import { readTokenFile } from '../admin/index.ts'
import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { HomeService, UpstreamAccess } from '../blob/index.ts'
import type { Config } from '../config/index.ts'
import type { Digest } from '../oci/digest.ts'
import { wholeReferenceText } from '../oci/reference.ts'
import type { HintedImage, HookRule, ImageSource, PrewarmSpec } from '../prewarm/index.ts'
import { HookService, PinBook, Pins, parsePrewarmSpec } from '../prewarm/index.ts'
import type { BlobStore } from '../store/index.ts'

/** What `--load` and pins call this machine's kind, as images do. */
export function hostPlatform(): string {
  const architecture = { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch
  return `linux/${architecture}`
}

export async function openPins(
  first: () => string,
  { store, images, logger }: { readonly store: BlobStore; readonly images: ImageSource; readonly logger: Logger },
): Promise<Pins> {
  return new Pins(
    { book: await PinBook.open(store, Date.now, logger), store, images, now: Date.now },
    {
      get defaultUpstream() {
        return first()
      },
      platform: hostPlatform(),
    },
  )
}

export interface HookEntranceDeps {
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly images: ImageSource
  readonly home: HomeService
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>
  /** Starts a job. */
  readonly submit: (spec: PrewarmSpec, signal: AbortSignal) => Promise<void>
}

/** Webhooks by the configuration's rules. Throws `CONFIG_INVALID` for a secret file that will not do. */
export async function openHooks(config: Config, deps: HookEntranceDeps): Promise<HookService<JobOptions>> {
  const { logger, registry, images, submit } = deps
  return new HookService<JobOptions>(
    {
      ...{ clock: systemClock, logger, registry },
      knows: (upstream) => images.shareable(upstream),
      resolve: (image, signal) => resolveAnew(image, deps, signal),
      submit: (image, _digest, options, signal) =>
        submit(parsePrewarmSpec({ ...options, images: [textOf(image)] }), signal),
    },
    { rules: await rulesOf(config), dedupeMs: config.prewarm.hookWindowMs },
  )
}

/** What a job's request has beside its images. */
type JobOptions = Readonly<Record<string, unknown>>

async function rulesOf({ prewarm }: Config): Promise<HookRule<JobOptions>[]> {
  const rules: HookRule<JobOptions>[] = []
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
  { home, upstreams }: HookEntranceDeps,
  signal: AbortSignal,
): Promise<Digest | undefined> {
  const resolution = await upstreams.get(upstream)?.chain.resolveTag({ repository, tag, signal })
  if (resolution?.kind !== 'found') return undefined
  await home.invalidate({ upstream, repository, tag }, undefined, signal)
  return resolution.state.digest
}

function textOf({ upstream, repository, tag }: HintedImage): string {
  return wholeReferenceText({ upstream, repository, target: { kind: 'tag', tag } })
}

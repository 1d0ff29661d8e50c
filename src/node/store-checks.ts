import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { MetricRegistry } from '../base/metrics.ts'
import type { Config } from '../config/index.ts'
import type { BlobStore } from '../store/index.ts'
import { Scrub } from '../store/index.ts'
import type { ManifestSource } from './image-source.ts'
import { Verifier } from './verifier.ts'

interface StoreChecksDeps {
  readonly store: BlobStore
  readonly images: ManifestSource
  readonly logger: Logger
  readonly registry: MetricRegistry
  readonly defaultUpstream: () => string
}

/** Who looks at what is stored without anybody reading it: the scrub now and then, the verifier when it is asked. */
export function openStoreChecks(
  settings: { readonly current: Pick<Config, 'store'> },
  { store, images, logger, registry, defaultUpstream }: StoreChecksDeps,
  stack: AsyncDisposableStack,
): Verifier {
  const log = logger.child({ component: 'store' })
  const options = {
    get everyMs() {
      return settings.current.store.scrubMs
    },
  }
  const scrub = stack.use(new Scrub(options, { store, clock: systemClock, logger: log, metrics: registry }))
  scrub.start()
  return stack.use(new Verifier({ store, images, clock: systemClock, logger: log, defaultUpstream }))
}

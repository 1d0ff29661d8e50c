import { sleep } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Outcome } from '../base/outcome.ts'
import { ANNOUNCE_BUSY_MS, OVERLOADED_MS } from '../base/patience.ts'
import type { Digest } from '../oci/digest.ts'
import type { Tier } from '../tier/index.ts'
import type { Transfers } from '../transfer/index.ts'
import type { BlobReader } from './interface.ts'
import { PendingReader } from './readers.ts'

interface Deps {
  readonly clock: Clock
  readonly tier: Pick<Tier, 'requests'>
  readonly transfers: Pick<Transfers, 'tainted'>
}

/**
 * A home that is too busy to say anything, in a rollout's burst, will come to it: announced in time, its runtime waits
 * for the bytes, where a "404" would send a whole fleet upstream.
 */
export async function announcedInTime(
  opening: Promise<Outcome<BlobReader>>,
  { digest, size }: { readonly digest: Digest; readonly size: number },
  { clock, tier, transfers }: Deps,
  signal: AbortSignal,
): Promise<Outcome<BlobReader>> {
  const askedAt = clock.now()
  const patience = new AbortController()
  const stopped = AbortSignal.any([signal, patience.signal])
  const waited = sleep(clock, ANNOUNCE_BUSY_MS, stopped).then(
    () => undefined,
    () => undefined,
  )
  try {
    const first = await Promise.race([opening, waited])
    if (first !== undefined) return first
    const isOverloaded = clock.now() - askedAt > ANNOUNCE_BUSY_MS + OVERLOADED_MS
    if (signal.aborted || !tier.requests.isBusy(digest, isOverloaded)) return await opening
    return new PendingReader(size, transfers.tainted(digest), opening)
  } finally {
    patience.abort()
  }
}

import { isShoalError } from '../base/errors.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import type { TransferDeps } from './deps.ts'
import type { TransferMetrics } from './metrics.ts'
import { refusalFor } from './refusals.ts'
import type { Route, RouteRequest, Router } from './router.ts'
import { fetchSmall } from './small-blob.ts'
import type { ReceivedFrom, TransferRef } from './transfer.ts'
import type { Opened } from './transfers.ts'

/** Caches that may send wrong bytes of one blob before it is given up: a home, its stand-in, a parent. */
const MOST_LIARS = 3

export interface SmallParts {
  readonly deps: Pick<TransferDeps, 'store' | 'tier' | 'logger' | 'limits' | 'confirmed'>
  readonly router: Router
  readonly metrics: TransferMetrics
}

/** Blobs of at most one piece: they come whole, are compared with their digest, and need no swarm. */
export class SmallContent {
  readonly #parts: SmallParts

  constructor(parts: SmallParts) {
    this.#parts = parts
  }

  /**
   * The way to a blob, or, where a cache answers with the bytes, the blob. A cache that sends wrong bytes is passed over: for
   * its stand-in, then for the tier above and the origin.
   */
  async route(
    ref: TransferRef,
    request: RouteRequest,
    signal: AbortSignal,
  ): Promise<Exclude<Route, { kind: 'bytes' }> | { readonly kind: 'opened'; readonly opened: Opened }> {
    const { router, metrics, deps } = this.#parts
    const liars = new Set<string>()
    for (let asHome = request.asHome; liars.size < MOST_LIARS; ) {
      const route = await router.route({ ...request, asHome }, signal)
      if (route.kind !== 'bytes') return route
      metrics.received(ref.digest, route.from, route.bytes.length)
      if (digestOf(route.bytes, ref.digest) === ref.digest) {
        deps.confirmed?.(ref, route.bytes.length)
        return { kind: 'opened', opened: await this.#put(ref.digest, route.bytes, route.from) }
      }
      const { key } = route.link.peer
      metrics.rejected('failed_digest')
      deps.logger.warn({ digest: ref.digest, peer: key }, 'a cache sent wrong bytes for a small blob: asking elsewhere')
      deps.tier.suspect(key)
      // it was asked again, as there is no other
      asHome ||= liars.has(key)
      liars.add(key)
      if (asHome && route.from === 'parent') break
    }
    return { kind: 'refused', reason: 'unavailable', message: 'the caches that were asked sent wrong bytes' }
  }

  /** From the origin. */
  async fetch(
    ref: TransferRef,
    route: Extract<Route, { kind: 'swarm' | 'origin' }>,
    layout: PieceLayout,
    signal: AbortSignal,
  ): Promise<Opened> {
    if (route.kind !== 'origin') {
      return { kind: 'refused', reason: 'unavailable', message: 'the home announced a swarm for a blob of one piece' }
    }
    const { deps, metrics } = this.#parts
    try {
      const bytes = await fetchSmall(route.chain, ref, layout.size, deps.limits.origin, signal)
      if (bytes === undefined) {
        return { kind: 'refused', reason: 'unknown', message: `${ref.upstream} has no ${ref.digest}` }
      }
      deps.confirmed?.(ref, bytes.length)
      metrics.received(ref.digest, 'origin', bytes.length)
      return await this.#put(ref.digest, bytes, 'origin')
    } catch (error) {
      signal.throwIfAborted()
      return refusalFor(error)
    }
  }

  async #put(digest: Digest, bytes: Uint8Array, from: ReceivedFrom): Promise<Opened> {
    const { deps } = this.#parts
    try {
      await deps.store.putSmall(digest, bytes)
      return { kind: 'stored', digest, from }
    } catch (error) {
      if (!isShoalError(error, 'STORE_DISK_FULL', 'STORE_FAILED')) throw error
      deps.logger.warn({ digest, err: error.message }, 'a small blob cannot be stored')
      return { kind: 'bytes', bytes, from }
    }
  }
}

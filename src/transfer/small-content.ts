import { refusalOf, refused } from '../base/outcome.ts'
import type { Digest } from '../oci/digest.ts'
import type { PieceLayout } from '../piece/piece-layout.ts'
import { isUnstorable } from '../store/index.ts'
import type { TransferDeps } from './deps.ts'
import type { TransferMetrics } from './metrics.ts'
import type { Opened } from './opening.ts'
import { fetchSmall } from './small-blob.ts'
import type { Route } from './source-picker.ts'
import type { ReceivedFrom, TransferRef } from './transfer.ts'

interface SmallParts {
  readonly deps: Pick<TransferDeps, 'store' | 'logger' | 'limits' | 'confirmed'>
  readonly metrics: TransferMetrics
}

/** Blobs of at most one piece: they come whole, are compared with their digest, and need no swarm. */
export class SmallContent {
  readonly #parts: SmallParts

  constructor(parts: SmallParts) {
    this.#parts = parts
  }

  /** What a home or a parent has given instead of a swarm. */
  async keep(ref: TransferRef, { bytes, from, link }: Extract<Route, { kind: 'bytes' }>): Promise<Opened> {
    const { metrics, deps } = this.#parts
    metrics.received(ref.digest, link, bytes.length)
    deps.confirmed?.(ref, bytes.length)
    return this.#put(ref.digest, bytes, from)
  }

  /** From the origin. */
  async fetch(
    ref: TransferRef,
    route: Extract<Route, { kind: 'swarm' | 'origin' }>,
    layout: PieceLayout,
    signal: AbortSignal,
  ): Promise<Opened> {
    if (route.kind !== 'origin') {
      return refused('unavailable', 'the home announced a swarm for a blob of one piece')
    }
    const { deps, metrics } = this.#parts
    try {
      const { origin, download } = deps.limits
      const bytes = await fetchSmall(route.chain, ref, layout.size, [origin, download], signal)
      if (bytes === undefined) return refused('unknown', `${ref.upstream} has no ${ref.digest}`)
      deps.confirmed?.(ref, bytes.length)
      metrics.received(ref.digest, 'origin', bytes.length)
      return await this.#put(ref.digest, bytes, 'origin')
    } catch (error) {
      signal.throwIfAborted()
      return refusalOf(error)
    }
  }

  async #put(digest: Digest, bytes: Uint8Array, from: ReceivedFrom): Promise<Opened> {
    const { deps } = this.#parts
    try {
      await deps.store.putSmall(digest, bytes)
      return { kind: 'stored', digest, from }
    } catch (error) {
      if (!isUnstorable(error)) throw error
      deps.logger.warn({ digest, err: error }, 'a small blob cannot be stored')
      return { kind: 'bytes', bytes, from }
    }
  }
}

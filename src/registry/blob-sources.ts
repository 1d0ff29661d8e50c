import type { Clock } from '../base/clock.ts'
import { ExpiringMap } from '../base/expiring-map.ts'
import { dividedLike } from '../base/sum.ts'
import type { ContentSource } from '../blob/interface.ts'
import type { Digest } from '../oci/digest.ts'
import type { BytesBySource } from './pulls.ts'
import { NO_BYTES } from './pulls.ts'

const MOST_BLOBS = 4096
/** As long as a slow pull takes. */
const REMEMBERED_MS = 60 * 60_000

type From = Exclude<ContentSource, 'local'>

interface Received {
  readonly bytes: Readonly<Record<From, number>>
  readonly lastAt: number
}

/**
 * Where this host has had blobs from lately. A layer is often here before its runtime asks, since its image's other layers
 * brought it along: that it lies on the disk by then is not where it came from.
 */
export class BlobSources {
  readonly #clock: Pick<Clock, 'now'>
  readonly #received: ExpiringMap<Received>

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
    this.#received = new ExpiringMap(clock, MOST_BLOBS)
  }

  /** Told of every part of content as it comes. */
  note(digest: Digest, from: From, bytes: number): void {
    const known = this.#received.get(digest)?.bytes ?? { peer: 0, home: 0, parent: 0, origin: 0 }
    const sum = { ...known, [from]: known[from] + bytes }
    this.#received.set(digest, { bytes: sum, lastAt: this.#clock.now() }, REMEMBERED_MS)
  }

  /** Undefined for what has not come since `since`. */
  received(digest: Digest, since: number): Received | undefined {
    const known = this.#received.get(digest)
    return known === undefined || known.lastAt < since ? undefined : known
  }

  /**
   * `sent` bytes of a blob by where they came from, for a pull that began at `since`. What came before was here already; a
   * blob of which nothing is remembered came from where its answer said (`otherwise`).
   */
  split(
    digest: Digest,
    { sent, since, otherwise }: { readonly sent: number; readonly since: number; readonly otherwise: ContentSource },
  ): BytesBySource {
    const received = this.#received.get(digest)
    if (received === undefined) return { ...NO_BYTES, [otherwise]: sent }
    if (received.lastAt < since) return { ...NO_BYTES, local: sent }
    const { shares, left } = dividedLike(received.bytes, sent)
    return { ...NO_BYTES, ...shares, local: left }
  }
}

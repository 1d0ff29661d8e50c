import type { Download } from './download.ts'
import { Progress } from './progress.ts'

/**
 * Of a piece that has begun, this much is enough: a host that has sent its beginning has the piece, does not wait for a source of its
 * own, and was not too busy to send. A link that lets answers through and no content looks like this.
 */
export const STUCK_MS = 4_000
/** What one blob has shown of a home counts for the others this long: each may have waited for as long by then. */
const REMEMBERED_MS = 2 * STUCK_MS

/**
 * Homes and parents that have begun to send something and do not go on, or that do not answer either. A home sends so few
 * pieces at a time that of most blobs nothing is begun: what one of them shows is the link's, and counts for all. So does
 * what comes of any: on a slow link a piece waits for seconds behind others.
 */
export class StuckHomes {
  /** By source, when it was last seen. */
  readonly #seenAt = new Map<number, number>()
  /** By source, whether it sends anything, of whatever blob. */
  readonly #progress = new Map<number, Progress>()

  /** Looks at one blob. */
  look({ progress, sources }: Download, now: number): void {
    if (progress.begunMs(now) < STUCK_MS) return
    for (const [source, { kind }] of sources) if (kind !== 'peer') this.note(source, now)
  }

  note(source: number, now: number): void {
    this.#seenAt.set(source, now)
  }

  /** Content came from a home or parent. */
  came(source: number, bytes: number, now: number): void {
    const progress = this.#progress.get(source) ?? new Progress(now)
    progress.came(bytes, now)
    this.#progress.set(source, progress)
  }

  /** Whether a blob hangs at one of them, as far as that has not been said of it already. */
  hold({ progress, sources }: Download, now: number): boolean {
    const since = Math.min(REMEMBERED_MS, progress.sinceStalledMs(now))
    for (const [source, { kind }] of sources)
      if (kind !== 'peer' && !this.#sends(source, now) && this.#seenWithin(source, since, now)) return true
    return false
  }

  /** Whether a home or parent of the blob sends content, if of other blobs: then this one has its turn to come. */
  send({ sources }: Download, now: number): boolean {
    for (const [source, { kind }] of sources) if (kind !== 'peer' && this.#sends(source, now)) return true
    return false
  }

  /** No blob has the source any more, and its number may become another's. */
  forget(source: number): void {
    this.#seenAt.delete(source)
    this.#progress.delete(source)
  }

  #sends(source: number, now: number): boolean {
    const progress = this.#progress.get(source)
    return progress !== undefined && progress.idleMs(now) < STUCK_MS
  }

  #seenWithin(source: number, ms: number, now: number): boolean {
    return now - (this.#seenAt.get(source) ?? Number.NEGATIVE_INFINITY) < ms
  }
}

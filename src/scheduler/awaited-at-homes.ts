import type { Download } from './download.ts'
import type { Sources } from './sources.ts'

/** What may be asked of a home at a time for readers that wait for it. */
const MOST = 8

/**
 * What a reader waits for is asked of a home by number: like a parent it is asked for what it may have to get itself, and
 * gets that first. Which, of whom; one at a time, since each question changes who is ready for the next.
 */
export function* awaitedAtHomes(
  download: Download,
  sources: Sources,
  now: number,
): Iterable<{ readonly source: number; readonly piece: number }> {
  if (download.completed) return
  for (const piece of download.awaited) {
    if (!download.open(piece)) continue
    for (const [source, { kind }] of download.sources) {
      if (kind !== 'home' || !sources.ready(source, MOST, now)) continue
      yield { source, piece }
      break
    }
  }
}

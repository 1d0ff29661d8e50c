import type { Download } from './download.ts'
import type { LeecherOptions } from './leecher-types.ts'
import { mostOutstanding } from './leecher-types.ts'
import type { RequestTable } from './request-table.ts'
import type { Sources } from './sources.ts'

/** In the endgame a request this many times older than a piece usually takes is asked for elsewhere, too. */
const OVERDUE_TIMES = 1.5
const OVERDUE_LEAST_MS = 50

/**
 * When every missing piece is under way, the overdue ones are asked of a second neighbour: which, of whom. One at a time,
 * since each question changes who is ready for the next.
 */
export function* overdueElsewhere(
  download: Download,
  requests: RequestTable,
  sources: Sources,
  options: LeecherOptions,
  now: number,
): Iterable<{ readonly source: number; readonly piece: number }> {
  const most = mostOutstanding(options, download.spec.pieceBytes)
  if (download.have.length - download.have.count > most) return
  const age = Math.max(OVERDUE_LEAST_MS, OVERDUE_TIMES * sources.pieceTimeMs * most)
  const late = requests.where((r) => r.blob === download.blob && r.piece >= 0 && now - r.askedAt > age)
  for (const request of late) {
    if (download.pending(request.piece) > 1 || request.duplicate) continue
    for (const [source, { kind, has }] of download.sources) {
      if (kind !== 'peer' || source === request.source || has?.has(request.piece) !== true) continue
      if (!sources.ready(source, options.perSource, now)) continue
      yield { source, piece: request.piece }
      break
    }
  }
}

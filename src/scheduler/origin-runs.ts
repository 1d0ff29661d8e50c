import type { Download } from './download.ts'

/** Pieces that follow one another. */
interface Run {
  readonly first: number
  readonly count: number
}

/** The sources of a download that may be counted on. */
type Usable = (source: number) => boolean

/**
 * The next run for the origin: up to `most` missing pieces from the cursor on (wrapping once), none of which a usable
 * neighbour has. Undefined when there is none.
 */
export function nextRun(download: Download, most: number, usable: Usable): Run | undefined {
  const { cursor, have, room } = download
  const longest = Math.min(most, room)
  if (longest === 0) return undefined
  const forOrigin = (piece: number): boolean => download.open(piece) && !download.neighbourHas(piece, usable)
  for (const [from, to] of [
    [cursor, have.length],
    [0, cursor],
  ] as const) {
    for (let first = from; first < to; first++) {
      if (!forOrigin(first)) continue
      let count = 1
      while (count < longest && first + count < to && forOrigin(first + count)) count++
      return { first, count }
    }
  }
  return undefined
}

/**
 * The next run for the origin that a reader waits for: up to `most` pieces that follow one another, or undefined. `free`
 * may make way for a piece that is on its way too far behind others.
 */
export function awaitedRun(
  download: Download,
  most: number,
  usable: Usable,
  free: (piece: number) => boolean,
): Run | undefined {
  const { awaited } = download
  for (const first of awaited) {
    if (!download.inWindow(first) || download.neighbourHas(first, usable)) continue
    if (!download.isIdle(first) && !free(first)) continue
    let count = 1
    while (count < most && awaited.has(first + count) && download.open(first + count)) count++
    return { first, count }
  }
  return undefined
}

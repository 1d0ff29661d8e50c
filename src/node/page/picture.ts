import type { ReadonlyBitfield } from '../../piece/bitfield.ts'

/** More parts than anybody can tell apart in a picture as wide as a window. */
export const PICTURE_CELLS = 256
/** How full a part is, in one digit. */
const FULL = 9

/** Which pieces are here: a digit for each of at most `PICTURE_CELLS` equal parts, 0 = nothing of it, 9 = all of it. */
export function pictureOf(have: ReadonlyBitfield): string {
  const cells = Math.min(PICTURE_CELLS, have.length)
  let picture = ''
  for (let cell = 0; cell < cells; cell++) {
    const first = Math.floor((cell * have.length) / cells)
    const end = Math.floor(((cell + 1) * have.length) / cells)
    let count = 0
    for (let piece = first; piece < end; piece++) if (have.has(piece)) count++
    picture += digitOf(count, end - first)
  }
  return picture
}

/** What is not whole is never shown as whole, and what has begun never as nothing. */
function digitOf(count: number, of: number): number {
  if (count === 0 || count === of) return count === 0 ? 0 : FULL
  return Math.min(FULL - 1, Math.max(1, Math.floor((count * FULL) / of)))
}

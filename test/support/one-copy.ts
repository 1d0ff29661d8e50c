import assert from 'node:assert/strict'

/** A range that is given up for a faster way may have begun a piece, which is then read again. */
const PIECE_BYTES = 128 * 1024

/** Asserts that what was received is one copy of `bytes`: all of them, and at most one piece again. */
export function assertOneCopy(received: number, bytes: number): void {
  const isOneCopy = received >= bytes && received <= bytes + PIECE_BYTES
  assert.ok(isOneCopy, `${received} bytes were received of content of ${bytes}`)
}

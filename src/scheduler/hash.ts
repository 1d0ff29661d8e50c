/**
 * A 53-bit hash of text (cyrb53, public domain): spreads keys over homes and hosts over neighbours. Every node must
 * compute the same value, so it is part of the wire protocol; it protects nothing.
 */
export function hash53(text: string): number {
  let h1 = 0xdeadbeef
  let h2 = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    h1 = Math.imul(h1 ^ code, 2654435761)
    h2 = Math.imul(h2 ^ code, 1597334677)
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2246822507) ^ Math.imul(h2 ^ (h2 >>> 13), 3266489909)
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2246822507) ^ Math.imul(h1 ^ (h1 >>> 13), 3266489909)
  return 4294967296 * (h2 & 0x1fffff) + (h1 >>> 0)
}

/** A 32-bit mix of two 32-bit numbers, the same in either order: how near two hosts are in the neighbour graph. */
export function pairHash(a: number, b: number): number {
  const low = Math.min(a, b)
  const high = Math.max(a, b)
  let h = Math.imul(low ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(high ^ (high >>> 15), 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d)
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b)
  return (h ^ (h >>> 16)) >>> 0
}

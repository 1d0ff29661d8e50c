/** All of what is counted by kind, as bytes are by source. */
export function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

/**
 * `total` divided as `counts` are, in whole numbers that add up to it; what the counts do not reach is left over. More is counted
 * than there is where pieces came twice.
 */
export function dividedLike<K extends string>(
  counts: Readonly<Record<K, number>>,
  total: number,
): { readonly shares: Record<K, number>; readonly left: number } {
  const counted = sumOf(counts)
  const shares: Record<K, number> = { ...counts }
  if (counted <= total) return { shares, left: total - counted }
  let [before, given] = [0, 0]
  for (const kind of Object.keys(counts) as K[]) {
    before += counts[kind]
    shares[kind] = Math.round((total * before) / counted) - given
    given += shares[kind]
  }
  return { shares, left: 0 }
}

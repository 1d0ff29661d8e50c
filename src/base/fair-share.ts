/**
 * The first `most` of `items` of whom no more than `perGroup` share a group, filled up with the others where that leaves room. What
 * has no group is nobody's crowd.
 */
export function fairShare<T>(
  items: Iterable<T>,
  groupOf: (item: T) => string | undefined,
  { most, perGroup }: { readonly most: number; readonly perGroup: number },
): T[] {
  const counts = new Map<string, number>()
  const chosen: T[] = []
  const over: T[] = []
  for (const item of items) {
    if (chosen.length >= most) return chosen
    const group = groupOf(item)
    const count = group === undefined ? 0 : (counts.get(group) ?? 0)
    if (group !== undefined) counts.set(group, count + 1)
    if (count < perGroup) chosen.push(item)
    else if (over.length < most) over.push(item)
  }
  return [...chosen, ...over].slice(0, most)
}
